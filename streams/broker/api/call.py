"""One call of an API: who calls, in which version, and how it is answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stepwell.streams.broker.messages import Message, message_class
from stepwell.streams.broker.node import Node

Answer = Message | Awaitable[Message]
"""An answer, or one that comes later. None where the client wants none."""
Handler = Callable[["Call", Message], Answer]


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and the broker that it is made to."""

    node: Node
    name: str
    version: int
    client_id: str
    client_host: str
    now_ms: int
    ticks_ms: int

    def answer(self, **fields: object) -> Message:
        """The answer in the version of the call."""
        return self.response(version=self.version, **fields)

    @property
    def response(self) -> Message:
        """The class of the answer; its parts are attributes."""
        return message_class(f"{self.name}Response")
