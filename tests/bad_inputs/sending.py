"""Webhooks as bytes on a socket: signed as their senders sign them, then spoilt."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from pathlib import Path
from urllib.parse import urlencode

GITHUB_SECRET = "It's a Secret to Everybody"
STANDARD_KEY = b"0123456789abcdef01234567"
STANDARD_SECRET = "whsec_" + base64.b64encode(STANDARD_KEY).decode()
SIGNATURE = "X-Hub-Signature-256"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_SAMPLES = Path(__file__).resolve().parents[1] / "schemas" / "samples"
_numbers = itertools.count(1)


def sample(name, **changes):
    """The payload of a webhook; `changes` are to its issue or milestone."""
    payload = json.loads((_SAMPLES / f"{name}.json").read_bytes())
    if changes:
        payload[name.partition(".")[0].removesuffix("s")] |= changes
    return payload


def request(body=b"", headers=None, *, method="POST", path="/webhooks/github"):
    """A request of one piece; a list of values makes as many headers."""
    given = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body))} | (
        headers or {}
    )
    lines = [f"{method} {path} HTTP/1.1"]
    for name, values in given.items():
        lines += [
            f"{name}: {value}" for value in (values if isinstance(values, list) else [values])
        ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "surrogateescape") + body


def github(payload=None, event="issues", delivery=None, *, signed=None, **changes):
    """A webhook of GitHub; `changes` are headers with `_` for `-`, None leaves one out."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload or sample("issues.opened"))
    body = body if isinstance(body, bytes) else body.encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or f"delivery-{next(_numbers)}",
        SIGNATURE: f"sha256={digest(signed or body)}",
    }
    return request(body, _changed(headers, changes))


def digest(body, algorithm=hashlib.sha256):
    """The signature over a body, in hex."""
    return hmac.new(GITHUB_SECRET.encode(), body, algorithm).hexdigest()


def standard(payload=None, *, message_id=None, sent_s=0, others="", **changes):
    """A message by Standard Webhooks, sent so many seconds from now, or at a time in words.

    `others` are signatures that come before the right one.
    """
    body = json.dumps(payload or {"type": "user.created", "data": {"id": "u1"}}).encode()
    message_id = f"msg_{next(_numbers)}" if message_id is None else message_id
    sent = sent_s if isinstance(sent_s, str) else str(int(time.time()) + sent_s)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": sent,
        "webhook-signature": others + v1(message_id, sent, body),
    }
    return request(body, _changed(headers, changes), path="/webhooks/standard")


def v1(message_id, sent, body):
    """The signature of a message."""
    signed = f"{message_id}.{sent}.".encode("latin-1", "surrogateescape") + body
    return "v1," + base64.b64encode(hmac.digest(STANDARD_KEY, signed, hashlib.sha256)).decode()


def event(body=b'{"total": 3}', path="/events", **changes):
    """A CloudEvent over HTTP in binary mode."""
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": f"event-{next(_numbers)}",
        "ce-source": "/shop",
        "ce-type": "order.placed",
    }
    return request(body, _changed(headers, changes), path=path)


def events(documents):
    """CloudEvents over HTTP in batch mode."""
    body = json.dumps(documents).encode()
    return request(body, {"Content-Type": "application/cloudevents-batch+json"}, path="/events")


def head(*lines):
    """The beginning of a request, as it is."""
    return "\r\n".join(["POST /webhooks/github HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def trickled(whole):
    """One byte at a time."""
    return [bytes([byte]) for byte in whole]


def github_by(method):
    """A good webhook but for its method."""
    return github().replace(b"POST", method.encode(), 1)


def cloud_event(number):
    """An event in structured mode."""
    return {"specversion": "1.0", "id": f"n{number}", "source": "/shop", "type": "placed"}


def form(payload):
    """The body of a webhook that is set up to send forms."""
    return urlencode({"payload": payload}).encode()


def _changed(headers, changes):
    renamed = {name.replace("_", "-"): value for name, value in changes.items()}
    known = {name.lower(): name for name in headers}
    merged = headers | {known.get(name.lower(), name): value for name, value in renamed.items()}
    return {name: value for name, value in merged.items() if value is not None}
