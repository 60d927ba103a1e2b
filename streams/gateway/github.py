"""GitHub's webhooks: signature, headers, JSON or form bodies."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.github import github_event, is_used
from stepwell.schemas.strict_json import parse_object
from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.problems import Reason, bad_header, unauthorized
from stepwell.streams.gateway.sources import (
    FORM,
    JSON,
    Delivery,
    Outcome,
    Pong,
    Source,
    SourcesConfig,
    unsupported_media_type,
)

SIGNATURE = "X-Hub-Signature-256"
LEGACY_SIGNATURE = "X-Hub-Signature"
EVENT = "X-GitHub-Event"
DELIVERY_ID = "X-GitHub-Delivery"

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)
_EVENT = re.compile(r"[a-z_]{1,64}")
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FORM_FIELDS_MAX = 16


def configured(config: SourcesConfig) -> Iterator[tuple[str, Source]]:
    """The source, where it has secrets."""
    if config.github_secrets:
        yield "github", GithubSource(config.github_secrets, comments=config.github_comments)


class GithubSource:
    """Deliveries signed with any of several secrets, so that one can be replaced by the next."""

    def __init__(self, secrets: Sequence[str], *, comments: bool = False) -> None:
        if not all(secrets):
            raise ConfigurationError("gateway.github_secrets: a secret is empty")
        self._secrets = [secret.encode() for secret in secrets]
        self._comments = comments

    def accept(self, delivery: Delivery) -> Outcome:
        """Verify, then map; GitHub's `ping` wants only an answer."""
        self._verify(delivery)
        event = _matching(delivery, EVENT, _EVENT)
        delivery_id = _matching(delivery, DELIVERY_ID, _DELIVERY_ID)
        if event == "ping":
            return Pong()
        # What is not used is not parsed: a push may have 25 MB.
        used = is_used(event, comments=self._comments)
        payload = parse_object(_document(delivery)) if used else {}
        return github_event(event, delivery_id, payload, comments=self._comments)

    def _verify(self, delivery: Delivery) -> None:
        signature = delivery.header(SIGNATURE)
        if signature is None:
            hint = f"{SIGNATURE} is missing"
            if LEGACY_SIGNATURE in delivery.headers:
                hint += f"; only {LEGACY_SIGNATURE} (SHA-1) is there, which is not accepted"
            raise unauthorized(Reason.MISSING, hint)
        found = _SIGNATURE.fullmatch(signature)
        if found is None:
            raise unauthorized(Reason.SCHEME, f"{SIGNATURE} is not sha256=<64 hex digits>")
        given = found[1].lower()
        # Every secret is tried, so that the time does not tell which one matched.
        matches = [
            hmac.compare_digest(hmac.new(secret, delivery.body, hashlib.sha256).hexdigest(), given)
            for secret in self._secrets
        ]
        if not any(matches):
            raise unauthorized(
                Reason.SIGNATURE,
                "no secret matches; was the body changed on its way, or is a secret missing here?",
            )


def _matching(delivery: Delivery, name: str, pattern: re.Pattern[str]) -> str:
    value = delivery.header(name)
    if value is None or not pattern.fullmatch(value):
        raise bad_header(
            f"header {name}: {'missing' if value is None else 'not as GitHub sends it'}"
        )
    return value


def _document(delivery: Delivery) -> bytes:
    """The JSON of the payload, which hooks may be set up to send as a form field."""
    if delivery.content_type == JSON:
        return delivery.body
    if delivery.content_type != FORM:
        raise unsupported_media_type(f"{JSON} or {FORM}")
    try:
        fields = parse_qs(delivery.body.decode(), max_num_fields=_FORM_FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise EventRejected(RejectReason.DECODE, f"not a form: {error}") from None
    payload = fields.get("payload", [])
    if len(payload) != 1:
        raise EventRejected(
            RejectReason.DECODE, f"one form field `payload` expected, found {len(payload)}"
        )
    return payload[0].encode()
