"""What a gateway answers to bad webhooks: W1 to W25, each with what is sent and what comes back.

Where the answer differs from the one that reference/reliability.md lists, the row says why.
"""

import gzip
import hashlib
import json
from urllib.parse import quote_plus

import pytest

from tests.bad_inputs.answers import bad_json, row, unauthorized
from tests.bad_inputs.sending import (
    FORM,
    GITHUB_SECRET,
    SIGNATURE,
    cloud_event,
    digest,
    event,
    events,
    form,
    github,
    github_by,
    head,
    request,
    sample,
    standard,
    trickled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
BODY = json.dumps(sample("issues.opened")).encode()


ROWS = [
    unauthorized("W1 no signature", github(**{SIGNATURE: None}), "missing"),
    *(
        unauthorized(f"W1 signature {value!r}", github(**{SIGNATURE: value}), "scheme")
        for value in ("", "sha1=00", "sha256=", "sha256=xyz", "md5=" + "0" * 64)
    ),
    unauthorized("W1 standard: no signature", standard(webhook_signature=None), "missing"),
    unauthorized("W1 standard: no version v1", standard(webhook_signature="v2,abc"), "scheme"),
    unauthorized("W2 another HMAC", github(**{SIGNATURE: "sha256=" + "0" * 64}), "signature"),
    unauthorized(
        "W2 one byte flipped", github(BODY.replace(b"slow", b"slov"), signed=BODY), "signature"
    ),
    unauthorized(
        "W3 written anew by a proxy",
        github(json.dumps(json.loads(BODY), indent=1).encode(), signed=BODY),
        "signature",
        logged="was the body changed on its way",
    ),
    unauthorized(
        "W4 SHA-1 only",
        github(BODY, **{SIGNATURE: None, "X-Hub-Signature": f"sha1={digest(BODY, hashlib.sha1)}"}),
        "missing",
        logged="X-Hub-Signature-256 is missing; only X-Hub-Signature (SHA-1) is there",
    ),
    row(
        "W5 upper case, spaces",
        github(BODY, **{SIGNATURE: f"  SHA256={digest(BODY).upper()} "}),
        stored=1,
    ),
    row(
        "W5 two signatures",
        github(BODY, **{SIGNATURE: [f"sha256={digest(BODY)}"] * 2}),
        status=400,
        says="header X-Hub-Signature-256 is there 2 times",
        reason="header",
    ),
    *(
        unauthorized(f"W6 sent {sent_s!r}", standard(sent_s=sent_s), "stale", logged=logged)
        for sent_s, logged in (
            (-360, "check both clocks"),
            (360, "check both clocks"),
            ("yesterday", "not a unix time"),
            ("-5", "not a unix time"),
            ("", "not a unix time"),
            ("1" * 30, "not a unix time"),
        )
    ),
    row("W6 four minutes old", standard(sent_s=-240), stored=1),
    row("W7 a valid signature behind unknown ones", standard(others="v1a,x v9,y v1,z "), stored=1),
    *(
        row(
            f"W8 id {name}",
            standard(message_id=message_id),
            status=400,
            says="header webhook-id: 1 to 128 letters",
            reason="header",
        )
        for name, message_id in (
            ("with a dot", "msg.1"),
            ("empty", ""),
            ("with a space", "msg 1"),
            ("too long", "m" * 5_000),
        )
    ),
    row("W8 id beyond UTF-8", standard(message_id="msg\u00e9"), status=400, reason="header"),
    # aiohttp refuses these two before a handler sees them: nothing is counted.
    row("W8 id of 10 kB", standard(message_id="m" * 10_000), status=400),
    row("W8 id with a newline", standard(message_id="msg\r\n 1"), status=400),
    row("W8 GitHub's id with a dot", github(delivery="a.b"), status=400, reason="header"),
    row(
        "W9 the same again",
        *[github(BODY, delivery="w9")] * 2,
        says='"instance": "5e695942-a259-5f9a-b8d4-bf8dbe7f5029", "duplicate": true',
        stored=1,
    ),
    row(
        "W10 another body under the same id",
        github(delivery="w10"),
        github(sample("issues.edited"), delivery="w10"),
        says='"duplicate": true',
        stored=1,
        data={"title": "Search is slow"},
    ),
    row(
        "W10 another body, where that is refused",
        github(delivery="w10b"),
        github(sample("issues.edited"), delivery="w10b"),
        status=409,
        says="the first one counts",
        reason="conflict",
        stored=1,
        data={"title": "Search is slow"},
        at="conflicts refused",
    ),
    row(
        "W11 26 MB, before they are sent",
        head(f"Content-Length: {26 * MIB}"),
        status=413,
        says=f"{25 * MIB} bytes",
        reason="size",
    ),
    row(
        "W11 chunks past the limit",
        head("Transfer-Encoding: chunked") + b"1000\r\n" + b"x" * 4096 + b"\r\n" + b"1000\r\n",
        b"x" * 4096 + b"\r\n1000\r\n" + b"x" * 4096 + b"\r\n",
        status=413,
        says="10000 bytes",
        reason="size",
        at="impatient",
        trickled=True,
    ),
    *(
        row(
            f"W12 {name}",
            request(packed, {"Content-Encoding": encoding}),
            status=415,
            says="Accept-Encoding: identity",
            reason="encoding",
        )
        for name, encoding, packed in (
            ("gzip bomb", "gzip", gzip.compress(b"0" * 10 * MIB)),
            ("1000 gzip members", "gzip", gzip.compress(b"0" * 1000) * 1000),
            ("chain of encodings", "gzip, gzip, br", b"x"),
            ("upper case", "GZIP", b"x"),
        )
    ),
    row(
        "W13 a body by the byte",
        head("Content-Length: 1000"),
        *trickled(b"x" * 500),
        status=408,
        says="within 200 ms",
        reason="timeout",
        at="impatient",
        trickled=True,
    ),
    row(
        "W13 a body that never comes",
        head("Content-Length: 9"),
        status=408,
        at="impatient",
        reason="timeout",
    ),
    # Better than 408: who never ends a head reads no answer. The deadline is for the whole head.
    row(
        "W13 headers by the byte",
        *trickled(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 500),
        status=0,
        at="impatient",
        trickled=True,
    ),
    # 431 would be exact; aiohttp says 400 and has no hook for another.
    row(
        "W13 broken framing",
        head("Transfer-Encoding: chunked") + b"zz\r\n",
        status=400,
    ),
    row("W13 a huge header", head("X-Big: " + "a" * 100_000), status=400),
    *(
        bad_json(
            f"W14 {body.decode() or 'nothing'}", body, f"object expected at byte 0, found {found}"
        )
        for body, found in (
            (b"", "nothing"),
            (b"null", "null"),
            (b"[]", "an array"),
            (b'"x"', "text"),
            (b"7", "a number"),
        )
    ),
    bad_json("W15 truncated", b'{"action": "op', "at byte 14"),
    bad_json("W15 trailing garbage", b'{"a": 1}}', "at byte 8"),
    bad_json("W15 byte order mark", b"\xef\xbb\xbf{}", "at byte 0"),
    bad_json("W15 UTF-16", "{}".encode("utf-16"), "at byte 0; it looks like UTF-16"),
    bad_json("W15 invalid UTF-8", b'{"a": "\xc0\xaf"}', "invalid UTF-8 at byte 7"),
    bad_json("W16 NaN", b'{"a": NaN}', "at byte 6"),
    bad_json("W16 Infinity", b'{"a": -Infinity}', "at byte 7"),
    bad_json("W16 a lone surrogate", b'{"a": "\\ud83d"}', "at byte"),
    bad_json("W16 an integer beyond 64 bits", b'{"a": 1' + b"0" * 30 + b"}", "more than 64 bits"),
    bad_json("W17 100,000 levels", b"[" * 100_000, "depth limit exceeded"),
    bad_json(
        "W17 a million keys", b"{" + b'"a":0,' * 600_000 + b'"b":0}', "more than 100000 members"
    ),
    # Better than 400: what is used of it is stored, cut to fit, and parsed beside the loop.
    row(
        "W17 a text of 5 MB",
        github(sample("issues.opened", body="x" * 5_000_000)),
        stored=1,
        data={"body": "x" * 256 * 1024, "truncated": True},
    ),
    bad_json("W18 equal keys", b'{"a": 1, "a": 2}', "'a' is there twice"),
    row("W19 ping", github(sample("ping"), "ping"), status=200, says='{"pong": true}'),
    row(
        "W19 an event of the future",
        github(b'{"much": [', "an_event_of_the_future"),
        says="events 'an_event_of_the_future' are not used",
    ),
    row(
        "W19 an action of the future",
        github(sample("issues.opened") | {"action": "teleported"}),
        says="action 'teleported' of 'issues' is not known",
    ),
    row(
        "W20 a form",
        github(form(BODY.decode()), **FORM),
        stored=1,
        data={"title": "Search is slow"},
    ),
    unauthorized(
        "W20 a form, altered", github(form("{}"), signed=form(" {}"), **FORM), "signature"
    ),
    *(
        row(
            f"W20 a form of {name}",
            github(body, **FORM),
            status=400,
            says=says,
            reason="decode",
        )
        for name, body, says in (
            ("another field", b"other=1", "found 0"),
            ("two payloads", b"payload={}&payload={}", "found 2"),
            ("bad escapes", b"payload=%ff", "not a form"),
            ("raw bytes", b"payload=\xff", "not a form"),
            ("many fields", b"a=1&" * 100, "not a form"),
            ("bad JSON", b"payload=" + quote_plus("[1").encode(), "at byte 2"),
        )
    ),
    *(
        row(
            f"W20 as {kind}",
            github(Content_Type=kind),
            status=415,
            says="send application/json",
            reason="media_type",
        )
        for kind in ("text/plain", "multipart/form-data; boundary=x", "nonsense")
    ),
    row(
        "W21 a milestone under the header of issues",
        github(sample("milestone.created")),
        status=422,
        says="issue: object expected in an 'issues' event, found nothing; the payload looks like",
        reason="shape",
    ),
    row("W22 no body", github(sample("issues.opened", body=None)), stored=1, data={"body": ""}),
    row(
        "W22 65,536 emoji",
        github(sample("issues.opened", body="\N{PILE OF POO}" * 65_536)),
        stored=1,
        data={"body": "\N{PILE OF POO}" * 65_536, "truncated": False},
    ),
    row(
        "W22 zero-width, right-to-left, NUL",
        github(sample("issues.opened", title="a\u200b\u202eb\0c")),
        stored=1,
        data={"title": "a\u200b\u202ebc"},
    ),
    *(
        row(f"W23 {method}", github_by(method), status=405, says="Allow: POST")
        for method in ("GET", "PUT", "DELETE", "PATCH")
    ),
    *(
        row(f"W23 {path}", request(b"{}", path=path), status=404)
        for path in (
            "/webhooks/unknown-marker",
            "/webhooks/%2e%2e%2fmarker",
            "/webhooks/..%5cmarker",
            "/webhooks/<marker>",
            "/webhooks/github/marker",
            "/webhooks/",
            "/marker",
        )
    ),
    *(
        row(f"W24 {name}", event(**changes), status=status, says=says, reason=reason)
        for name, changes, status, says, reason in (
            (
                "overlong UTF-8",
                {"ce_subject": "a%C0%AF"},
                400,
                "subject: its escapes are not UTF-8 at byte 1",
                "attribute",
            ),
            (
                "broken escape",
                {"ce_subject": "100%"},
                400,
                "subject: % at character 3",
                "attribute",
            ),
            ("no id", {"ce_id": None}, 400, "id: missing", "attribute"),
            ("no type", {"ce_type": None}, 400, "type: missing", "attribute"),
            ("specversion 0.3", {"ce_specversion": "0.3"}, 400, "specversion '0.3'", "version"),
        )
    ),
    row(
        "W25 a batch that nobody asked for",
        events([{}]),
        status=415,
        says="batch",
        reason="media_type",
    ),
    row(
        "W25 10,000 events",
        events([cloud_event(number) for number in range(10_000)]),
        status=413,
        says="a batch of 10000 events, the limit is 100",
        reason="size",
        at="batches",
    ),
    row(
        "W25 all or nothing",
        events([*(cloud_event(number) for number in range(5)), {"specversion": "1.0"}]),
        status=400,
        says="event 6 of the batch: id: missing",
        reason="attribute",
        at="batches",
    ),
    row(
        "W25 a batch", events([cloud_event(number) for number in range(5)]), stored=5, at="batches"
    ),
]


@pytest.mark.parametrize("row", ROWS)
async def test_a_bad_webhook_is_answered_as_the_table_says(gateways, row):
    await gateways.stored()
    counted, lines = await gateways.refusals(row.at), len(gateways.lines)
    for pieces in row.requests():
        answer = await gateways.send(row.at, pieces)
    assert answer.status == row.status, answer.text
    assert row.says in answer.text
    events = await gateways.stored()
    assert len(events) == row.stored
    assert row.data.items() <= (events[0].data if row.data else {}).items()
    more = {row.reason: counted.get(row.reason, 0) + 1} if row.reason else {}
    assert await gateways.refusals(row.at) == counted | more
    logged = str(gateways.lines[lines:])
    assert row.logged in logged
    for private in (GITHUB_SECRET, "marker", *filter(None, [row.logged])):
        assert private not in answer.text
    assert GITHUB_SECRET not in logged
