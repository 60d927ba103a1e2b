"""Messages to people: a chat channel, a mail relay, anything that takes a webhook."""

from dataclasses import dataclass, field
from typing import Protocol

from stepwell.streams.bindings.http import Http


class Notifier(Protocol):
    """Sends a message."""

    async def send(self, text: str, *, key: str, to: str = "") -> None:
        """Send it; `key` is the same when the same message is sent again."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """Posts `{"text": …}`, with `"to"` where there is one, as Slack and others take it."""

    http: Http
    url: str = field(repr=False)

    async def send(self, text: str, *, key: str, to: str = "") -> None:
        """Post it; raises `ServiceUnavailable`, `RefusedByService`."""
        message = {"text": text, "to": to} if to else {"text": text}
        await self.http.post(self.url, message, {"Idempotency-Key": key})


@dataclass(frozen=True, slots=True)
class Outbox:
    """Keeps what was sent, each key once."""

    messages: dict[str, tuple[str, str]] = field(default_factory=dict)
    """To whom and what, by key."""

    async def send(self, text: str, *, key: str, to: str = "") -> None:
        """Keep it."""
        self.messages.setdefault(key, (to, text))

    @property
    def texts(self) -> list[str]:
        """What was sent, in order."""
        return [text for _, text in self.messages.values()]
