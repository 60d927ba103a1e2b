"""Standard Webhooks: `whsec_` secrets, signed time, a body of `type`, `timestamp` and `data`."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from stepwell.schemas.envelope import RFC3339
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
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

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_S = 300

_SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets begin
_SECRET_BYTES = range(24, 65)
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UNIX_S = re.compile(r"[0-9]{1,12}")
_TYPE = re.compile(r"[\x21-\x7e]{1,128}")
_SIGNATURES_MAX = 16


def configured(config: SourcesConfig) -> Iterator[tuple[str, Source]]:
    """The source, where it has secrets."""
    if config.standard_secrets:
        yield "standard", StandardWebhooksSource(config.standard_secrets)


class StandardWebhooksSource:
    """Deliveries signed with any of several secrets; `name` tells the sources of events apart."""

    def __init__(self, secrets: Sequence[str], name: str = "standard") -> None:
        self._secrets = [_secret_bytes(secret) for secret in secrets]
        self._source = f"/webhooks/{name}"

    def accept(self, delivery: Delivery) -> Outcome:
        """Verify, then map: the message id is the event id, `data` its data."""
        message_id, sent_s = self._verify(delivery)
        if delivery.content_type != JSON:
            raise unsupported_media_type(JSON)
        body = parse_object(delivery.body)
        return CloudEvent(
            id=message_id,
            source=self._source,
            type=_type(body),
            subject=_subject(body) or message_id,
            data=body.get("data"),
            time=_time(body, sent_s),
        )

    def _verify(self, delivery: Delivery) -> tuple[str, int]:
        message_id, timestamp, signatures = map(delivery.header, (ID, TIMESTAMP, SIGNATURE))
        if message_id is None or timestamp is None or signatures is None:
            raise unauthorized(Reason.MISSING, f"{ID}, {TIMESTAMP} and {SIGNATURE} are needed")
        if not _ID.fullmatch(message_id):
            raise bad_header(f"header {ID}: 1 to 128 letters, digits, '_' or '-' expected")
        if not _UNIX_S.fullmatch(timestamp):
            raise unauthorized(Reason.STALE, f"{TIMESTAMP} is not a unix time in seconds")
        signed = f"{message_id}.{timestamp}.".encode() + delivery.body
        given = [
            signature.encode()
            for version, _, signature in (
                part.partition(",") for part in signatures.split()[:_SIGNATURES_MAX]
            )
            if version == "v1"  # others are for other readers
        ]
        # Every pair is tried, so that the time does not tell which one matched.
        matches = [
            hmac.compare_digest(base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)), one)
            for secret in self._secrets
            for one in given
        ]
        if not any(matches):
            hint = "no secret matches" if given else "no v1 signature"
            raise unauthorized(Reason.SIGNATURE if given else Reason.SCHEME, hint)
        age_s = delivery.now_s - int(timestamp)
        if abs(age_s) > TOLERANCE_S:
            raise unauthorized(
                Reason.STALE,
                f"sent {age_s:.0f} s ago by the sender's clock, at most {TOLERANCE_S} s either "
                "way are taken; check both clocks",
            )
        return message_id, int(timestamp)


def _secret_bytes(secret: str) -> bytes:
    try:
        raw = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        raw = b""
    if not secret.startswith(_SECRET_PREFIX) or len(raw) not in _SECRET_BYTES:
        raise ConfigurationError(
            f"gateway.standard_secrets: a secret is not {_SECRET_PREFIX} and then "
            f"{_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} bytes in base64"
        )
    return raw


def _type(body: Mapping[str, Json]) -> str:
    found = body.get("type")
    if not isinstance(found, str) or not _TYPE.fullmatch(found):
        raise EventRejected(
            RejectReason.SHAPE,
            "type: 1 to 128 visible ASCII characters expected, as in user.created",
        )
    return found


def _subject(body: Mapping[str, Json]) -> str | None:
    found = body.get("subject")
    return found if isinstance(found, str) else None


def _time(body: Mapping[str, Json], sent_s: int) -> str:
    found = body.get("timestamp")
    if isinstance(found, str) and RFC3339.fullmatch(found):
        return found
    return datetime.fromtimestamp(sent_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
