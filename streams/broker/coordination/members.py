"""The records of a consumer group: its members, and what they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.storage.journal import Json


class State(StrEnum):
    """Where a group stands."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    """Waiting for the members to join again."""
    COMPLETING = "CompletingRebalance"
    """Waiting for the leader's assignment."""
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A member that wants to take part."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    needs_known_id: bool = False
    """Whether a newcomer is first given an id, to come again with it (version 4 and later)."""
    can_skip_assignment: bool = False
    """Whether a leader that comes back can be told not to assign (version 9 and later)."""


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What a member that joined is told."""

    error: ErrorCode
    member_id: str
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[tuple[str, str | None, bytes], ...] = ()
    """For the leader: id, instance id and metadata of each."""
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """What a member is told to do."""

    error: ErrorCode
    assignment: bytes = b""
    protocol_type: str | None = None
    protocol: str | None = None


OnJoined = Callable[[JoinAnswer], None]
OnSynced = Callable[[SyncAnswer], None]


@dataclass(slots=True)
class Member:
    """A member, and the answers it waits for."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]
    deadline_ms: int
    """When it is given up unless it is heard of; not while it waits for an answer."""
    assignment: bytes = b""
    on_joined: OnJoined | None = field(default=None, compare=False)
    on_synced: OnSynced | None = field(default=None, compare=False)

    @classmethod
    def of(cls, member_id: str, request: JoinRequest, now_ms: int) -> "Member":
        """A member as its request describes it."""
        return cls(
            member_id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            protocols=request.protocols,
            deadline_ms=now_ms + request.session_timeout_ms,
        )

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is owed to it: silence is not its fault then."""
        return self.on_joined is not None or self.on_synced is not None

    def metadata(self, protocol: str | None) -> bytes:
        """What it said under a protocol."""
        return next((data for name, data in self.protocols if name == protocol), b"")

    def update(self, request: JoinRequest) -> None:
        """Take up what it says now."""
        self.protocols = request.protocols
        self.session_timeout_ms = request.session_timeout_ms
        self.rebalance_timeout_ms = request.rebalance_timeout_ms
        self.client_id, self.client_host = request.client_id, request.client_host

    def heard_of(self, now_ms: int) -> None:
        """It lives."""
        self.deadline_ms = now_ms + self.session_timeout_ms

    def answer_join(self, answer: JoinAnswer) -> None:
        """Tell it, if it waits."""
        waiting, self.on_joined = self.on_joined, None
        if waiting is not None:
            waiting(answer)

    def answer_sync(self, answer: SyncAnswer) -> None:
        """Tell it, if it waits."""
        waiting, self.on_synced = self.on_synced, None
        if waiting is not None:
            waiting(answer)

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {
            "member_id": self.member_id,
            "instance_id": self.instance_id,
            "client_id": self.client_id,
            "client_host": self.client_host,
            "session_timeout_ms": self.session_timeout_ms,
            "rebalance_timeout_ms": self.rebalance_timeout_ms,
            "protocols": [[name, data.hex()] for name, data in self.protocols],
            "assignment": self.assignment.hex(),
        }

    @classmethod
    def from_json(cls, value: Json, now_ms: int) -> "Member":
        """From the journal; its time begins anew."""
        fields: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        fields["protocols"] = tuple((n, bytes.fromhex(data)) for n, data in fields["protocols"])
        fields["assignment"] = bytes.fromhex(fields["assignment"])
        return cls(**fields, deadline_ms=now_ms + fields["session_timeout_ms"])
