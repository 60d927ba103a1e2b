"""Requests that no browser of a friend sends: each is answered, none with a server's error."""

import http.client
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.browser.stack import Stack

FORM = "application/x-www-form-urlencoded"
ODD_SEGMENTS = (
    "%00",
    "%0A%0D",
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e",
    "a%2Fb%2Fc",
    "%ED%A0%80",
    "%FF%FE",
    "%F0%9F%8E%89",
    "%E2%80%AE",
    "x" * 2000,
    "%3Cscript%3E",
    "*",
    "latest",
    "%",
    "%zz",
    "-",
    "{{7*7}}",
    "%25s%25n",
)
PLACES = (
    "/instances/{}/{}",
    "/instances/order/{}",
    "/workflows/{}",
    "/dead-letters/{}",
    "/replays/{}",
    "/reindexes/{}",
    "/static/{}",
    "/search?like={}",
    "/search?q={}",
    "/instances?cursor={}",
    "/instances?status={}&workflow={}",
    "/instances?created_from={}&limit={}",
    "/instances?last={}",
    "/dead-letters?reason={}&topic={}&subject={}",
    "/login?next={}",
    "/{}",
    "/instances/{}?from={}",
)
FORMS = (
    "/instances/order/{id}/pause",
    "/instances/order/{id}/send-event",
    "/instances/order/{id}/restart",
    "/instances/order/{id}/terminate",
    "/instances/order/{id}/delete",
    "/instances/order/{id}/no-such-action",
    "/dead-letters/0:0/retry",
    "/dead-letters/0:0/discard",
    "/dead-letters/x/retry",
    "/replays",
    "/replays/r-none/execute",
    "/replays/r-none/cancel",
    "/reindexes",
    "/reindexes/none/stop",
    "/login",
    "/logout",
)
FIELDS = (
    "type",
    "payload",
    "event_id",
    "reason",
    "from_step",
    "rollback",
    "confirm",
    "note",
    "mode",
    "start",
    "start_value",
    "until",
    "until_value",
    "topics",
    "workflow",
    "tolerance",
    "skip",
    "source",
    "rate",
    "id",
    "prune",
    "token",
    "next",
)
ODD_VALUES = (
    "",
    "\x00",
    "\ud800",
    "🎉\u202e",
    "9" * 400,
    "-1",
    "NaN",
    "[" * 5000,
    '{"a":' * 500,
    "do/999999999999/x",
    "x" * 20_000,
)


def ask(
    stack: Stack, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of one request, which is sent as it is."""
    url = urlsplit(stack.url)
    assert url.hostname
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        sent = {"Accept": "text/html", "Content-Length": str(len(body))}
        for name, value in (sent | headers).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def post(stack: Stack, path: str, body: bytes, media_type: str = FORM) -> tuple[int, bytes]:
    status, answer, _ = ask(stack, "POST", path, body, Origin=stack.url, Content_Type=media_type)
    return status, answer


@pytest.mark.parametrize("place", PLACES)
def test_odd_addresses_are_answered_by_pages_that_say_what_is_wrong(
    stack: Stack, place: str
) -> None:
    found = {}
    for odd in ODD_SEGMENTS:
        status, body, headers = ask(stack, "GET", place.replace("{}", odd))
        if status >= 500 or "text/plain" in headers.get("content-type", ""):
            found[odd[:40]] = (status, body[:200])
        assert b"<script>" not in body.lower()
    assert found == {}


@pytest.mark.parametrize("form", FORMS)
def test_forms_with_missing_doubled_huge_and_odd_fields_are_refused(
    stack: Stack, form: str
) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    path = form.format(id=instance_id)
    bodies = {
        "nothing": b"",
        "not a form": b"\xff\xfe=%%%&&&===",
        "no utf-8": b"&".join(b"%s=%%FF%%ED%%A0%%80" % name.encode() for name in FIELDS),
        "doubled": urlencode([(name, "yes") for name in FIELDS] * 2).encode(),
        "many": urlencode([(f"f{n}", n) for n in range(5000)]).encode(),
        "a file": MULTIPART,
    }
    for value in ODD_VALUES:
        given = {name: value for name in FIELDS if name != "confirm"}
        encoded = urlencode(given, errors="surrogatepass").encode()
        bodies[f"all are {value[:10]!r}"] = encoded
    found = {}
    for name, body in bodies.items():
        status, answer = post(stack, path, body, MULTIPART_TYPE if body is MULTIPART else FORM)
        if status >= 500:
            found[name] = (status, answer[:300])
    assert found == {}


@pytest.mark.parametrize(
    "media_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=never-there",
        f"{FORM}; charset=no-such-charset",
        f"{FORM}; charset=utf-16",
        "application/json",
        "text/plain",
        "nonsense",
        "",
    ],
)
def test_forms_of_other_kinds_are_refused(stack: Stack, media_type: str) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    path = f"/instances/order/{instance_id}/terminate"
    status, answer = post(stack, path, b"confirm=yes&reason=x", media_type)
    assert status < 500, answer
    if "form" not in media_type:
        assert status == 415
        assert stack.instance("order", instance_id)["summary"]["status"] == "waiting"


def test_a_form_that_is_too_large_is_refused(stack: Stack) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    limit = stack.deployment.settings.gateway.max_body_bytes
    body = b"type=paid&payload=" + b"1" * (limit + 1)
    status, _ = post(stack, f"/instances/order/{instance_id}/send-event", body)
    assert status == 413


@pytest.mark.parametrize("path", ["/instances", "/workflows", "/search", "/dead-letters", "/login"])
def test_methods_that_make_no_sense_are_refused(stack: Stack, path: str) -> None:
    seen = {
        method: ask(stack, method, path, Origin=stack.url)[0]
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW")
    }
    assert seen.pop("HEAD") in (200, 303)
    assert set(seen.values()) <= {400, 403, 404, 405, 501}, seen


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_forms_of_other_sites_do_nothing(stack: Stack, headers: dict[str, str]) -> None:
    instance_id = stack.started("order", {"id": 1}, until="waiting")
    path = f"/instances/order/{quote(instance_id)}/terminate"
    status, _, _ = ask(stack, "POST", path, b"confirm=yes", Content_Type=FORM, **headers)
    assert status == 403
    assert stack.instance("order", instance_id)["summary"]["status"] == "waiting"


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "[", "@"])
def test_without_a_token_only_this_machines_names_are_served(stack: Stack, host: str) -> None:
    for path in ("/instances", "/", "/search?q=x", "/login"):
        status, _, _ = ask(stack, "GET", path, Host=host)
        assert status in (400, 403), path


def test_a_form_sent_twice_does_it_once_and_says_so(stack: Stack) -> None:
    instance_id = stack.started("nap", until="waiting")
    path = f"/instances/nap/{instance_id}/terminate"
    first, _ = post(stack, path, b"confirm=yes&reason=first")
    second, answer = post(stack, path, b"confirm=yes&reason=second")
    assert first == 303
    assert second in (303, 409), answer
    assert stack.instance("nap", instance_id)["summary"]["reason"] == "first"


MULTIPART_TYPE = "multipart/form-data; boundary=xx"
MULTIPART = (
    b'--xx\r\nContent-Disposition: form-data; name="reason"; filename="a"\r\n\r\nx\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="confirm"\r\n\r\nyes\r\n--xx--\r\n'
)
