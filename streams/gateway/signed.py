"""Webhooks of any service that signs them with HMAC, as `gateway.signed_sources` describes it."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.json_pointer import text_at
from stepwell.schemas.strict_json import parse_object
from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.problems import Reason, bad_header, unauthorized
from stepwell.streams.gateway.sources import (
    JSON,
    Delivery,
    Outcome,
    Source,
    SourcesConfig,
    unsupported_media_type,
)
from stepwell.streams.settings import SignedSourceSettings
from stepwell.streams.settings_values import HEADER_PLACE

_UNIX_S = re.compile(r"[0-9]{1,12}")
_TEXT = re.compile(r"[\x21-\x7e]{1,256}")


def configured(config: SourcesConfig) -> Iterator[tuple[str, Source]]:
    """A source for each service; raises `ConfigurationError` for one without secrets."""
    secrets: dict[str, list[str]] = {name: [] for name in config.signed_sources}
    for entry in config.signed_secrets:
        name, _, secret = entry.partition(":")
        if name not in secrets or not secret:
            raise ConfigurationError(
                "gateway.signed_secrets: each is NAME:SECRET with the name of one of "
                f"gateway.signed_sources ({', '.join(secrets) or 'there is none'})"
            )
        secrets[name].append(secret)
    for name, settings in config.signed_sources.items():
        if not secrets[name]:
            raise ConfigurationError(
                f"gateway.signed_sources.{name} has no secret: set "
                f"STEPWELL_GATEWAY_SIGNED_SECRETS={name}:SECRET, or …_FILE with one on a line"
            )
        yield name, SignedSource(name, settings, secrets[name])


class SignedSource:
    """Deliveries of one service, signed with any of several secrets."""

    def __init__(self, name: str, settings: SignedSourceSettings, secrets: Sequence[str]) -> None:
        self._source = f"/webhooks/{name}"
        self._settings = settings
        self._secrets = [secret.encode() for secret in secrets]

    def accept(self, delivery: Delivery) -> Outcome:
        """Verify, then map; the body is the data."""
        sent_s = self._verify(delivery)
        if delivery.content_type != JSON and not delivery.content_type.endswith("+json"):
            raise unsupported_media_type(JSON)
        body = parse_object(delivery.body)
        event_id = self._text("id", self._settings.id, delivery, body)
        subject = self._settings.subject
        return CloudEvent(
            id=event_id,
            source=self._source,
            type=self._text("type", self._settings.type, delivery, body),
            subject=_found(subject, delivery, body) or event_id if subject else event_id,
            data=body,
            time=None if sent_s is None else _rfc3339(sent_s),
        )

    def _verify(self, delivery: Delivery) -> int | None:
        """When it was sent, where the service says it; raises `Problem`."""
        own = self._settings
        signature = delivery.header(own.signature_header)
        timestamp = delivery.header(own.timestamp_header) if own.timestamp_header else ""
        if signature is None or timestamp is None:
            names = ", ".join(filter(None, (own.signature_header, own.timestamp_header)))
            raise unauthorized(Reason.MISSING, f"needed: {names}")
        if not signature.startswith(own.prefix):
            raise unauthorized(Reason.SCHEME, f"{own.signature_header} lacks {own.prefix!r}")
        given = _decoded(signature.removeprefix(own.prefix), own.encoding)
        if given is None:
            raise unauthorized(Reason.SCHEME, f"{own.signature_header} is not {own.encoding}")
        signed = self._signed(delivery, timestamp)
        # Every secret is tried, so that the time does not tell which one matched.
        digest = getattr(hashlib, own.algorithm)
        matches = [
            hmac.compare_digest(hmac.digest(secret, signed, digest), given)
            for secret in self._secrets
        ]
        if not any(matches):
            hint = "no secret matches; was the body changed on its way, or is a secret missing?"
            raise unauthorized(Reason.SIGNATURE, hint)
        return self._fresh(timestamp, delivery.now_s) if own.timestamp_header else None

    def _signed(self, delivery: Delivery, timestamp: str) -> bytes:
        before, _, after = self._settings.signed.partition("{body}")
        head, tail = (part.replace("{timestamp}", timestamp).encode() for part in (before, after))
        return head + delivery.body + tail

    def _fresh(self, timestamp: str, now_s: float) -> int:
        if not _UNIX_S.fullmatch(timestamp):
            hint = f"{self._settings.timestamp_header} is not a unix time in seconds"
            raise unauthorized(Reason.STALE, hint)
        age_s, most_s = now_s - int(timestamp), self._settings.timestamp_tolerance_ms / 1000
        if abs(age_s) > most_s:
            hint = f"sent {age_s:.0f} s ago by the sender's clock, at most {most_s:.0f} s are taken"
            raise unauthorized(Reason.STALE, hint)
        return int(timestamp)

    def _text(self, what: str, place: str, delivery: Delivery, body: Json) -> str:
        text = _found(place, delivery, body)
        if text is not None and _TEXT.fullmatch(text):
            return text
        detail = "missing" if text is None else "1 to 256 visible ASCII characters expected"
        if place.startswith(HEADER_PLACE):
            raise bad_header(f"header {place.removeprefix(HEADER_PLACE)} ({what}): {detail}")
        raise EventRejected(RejectReason.SHAPE, f"{place} ({what}): {detail}")


def _found(place: str, delivery: Delivery, body: Json) -> str | None:
    """The text at a place: `header:NAME`, a JSON pointer into the body, or the text itself."""
    if place.startswith(HEADER_PLACE):
        return delivery.header(place.removeprefix(HEADER_PLACE))
    return text_at(body, place) if place.startswith("/") else place


def _decoded(signature: str, encoding: str) -> bytes | None:
    try:
        if encoding == "hex":
            return bytes.fromhex(signature)
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return None


def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
