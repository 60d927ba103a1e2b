"""One thing asked of many instances: of those that filters mean, looked at first, told in batches.

Asked again under the same id, what was told is not told again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from stepwell.schemas.commands import (
    Command,
    DeleteRequested,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    TerminateRequested,
)
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.state import TERMINAL, Status
from stepwell.streams.errors import BulkChanged, InvalidRequest
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.gateway.requests import BATCH_MAX
from stepwell.streams.lists import InstanceFilters, InstancePage
from stepwell.streams.views import InstanceSummary, Receipt

BULK_MAX = 10_000
"""Of so many instances one thing may be asked at once."""
SAMPLE_MAX = 20
PAGE = 500
ID_LENGTH_MAX = 100
_UNSTAMPED = 0


class BulkAction(StrEnum):
    """What may be asked of many."""

    PAUSE = "pause"
    RESUME = "resume"
    TERMINATE = "terminate"
    RESTART = "restart"
    DELETE = "delete"


_MAY_CHANGE: dict[BulkAction, frozenset[Status]] = {
    BulkAction.PAUSE: frozenset(Status) - TERMINAL - {Status.PAUSED, Status.WAITING_FOR_PAUSE},
    BulkAction.RESUME: frozenset({Status.PAUSED, Status.WAITING_FOR_PAUSE}),
    BulkAction.TERMINATE: frozenset(Status) - TERMINAL,
    BulkAction.RESTART: frozenset(Status),
    BulkAction.DELETE: frozenset(Status),
}
"""The statuses in which it has an effect."""


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """What is asked, and of which instances."""

    action: BulkAction
    filters: InstanceFilters
    reason: str = ""
    rollback: bool = False
    """To terminate after the rollback."""


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What would happen; nothing has."""

    action: BulkAction
    matched: int
    """So many instances the filters mean now."""
    applicable: int
    """Of those, so many are in a status in which it has an effect."""
    counts: dict[str, int]
    """By status."""
    sample: tuple[InstanceSummary, ...]
    """The newest of them."""


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of it for one instance."""

    workflow: str
    instance_id: str
    verdict: str
    """`accepted`, or why it changed nothing."""
    status: str | None
    """The status after it; None: there is no such instance (any more)."""
    message: str
    code: str | None = None
    """The code of the error that this is."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of all of it."""

    id: str
    action: BulkAction
    matched: int
    done: int
    """So many took it."""
    unchanged: int
    """For so many it changed nothing: they were so already, or have ended."""
    refused: int
    """So many cannot do it."""
    already_done: int
    """So many were told before, under the same id."""
    outcomes: tuple[BulkOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far it is."""

    told: int
    total: int


class Lists(Protocol):
    """Who knows which instances there are, and what they were told; `Reader` does."""

    async def page(
        self, filters: InstanceFilters, *, limit: int, cursor: str | None
    ) -> InstancePage:
        """Instances, newest first."""
        ...

    async def commands(self, prefix: str) -> list[Ruling]:
        """What became of the commands whose ids begin so."""
        ...


class Teller(Protocol):
    """Who tells instances; `Control` does."""

    async def tell_all(self, commands: Sequence[tuple[InstanceKey, Command]]) -> list[Receipt]:
        """Send up to 100 commands."""
        ...


async def plan_bulk(reader: Lists, request: BulkRequest) -> BulkPlan:
    """What would happen; raises `InvalidRequest` when it is too much at once."""
    found = await _matching(reader, request)
    counts = Counter(it.status for it in found)
    return BulkPlan(
        request.action,
        matched=len(found),
        applicable=sum(counts[status] for status in _MAY_CHANGE[request.action]),
        counts=dict(sorted(counts.items())),
        sample=tuple(found[:SAMPLE_MAX]),
    )


async def execute_bulk(  # noqa: PLR0913 - all but three by name
    control: Teller,
    reader: Lists,
    request: BulkRequest,
    *,
    bulk_id: str,
    expected: int,
    report: Callable[[BulkProgress], None] = lambda _: None,
) -> BulkResult:
    """Do it to the `expected` instances that the plan has found.

    Raises `BulkChanged` when others match now and nothing was begun under this id. After
    `BrokerUnavailable` a part of it may be done: ask again under the same id.
    """
    found, prefix = await _matching(reader, request), f"bulk/{_checked(bulk_id)}/"
    before = {it.command_id: it for it in await reader.commands(prefix)}
    left = [it for it in found if f"{prefix}{_key(it)}" not in before]
    if not before and len(found) != expected:
        raise BulkChanged(f"{len(found)} instances match now, not {expected}: look again")
    tally = _Tally(expected, report)
    tally.repeat(before.values())
    left = left[: max(0, expected - len(before))]
    may_change = _MAY_CHANGE[request.action]
    for idle in (it for it in left if it.status not in may_change):
        tally.pass_over(idle)
    wanted = [it for it in left if it.status in may_change]
    for start in range(0, len(wanted), BATCH_MAX):
        batch = wanted[start : start + BATCH_MAX]
        told = [(_key(it), command_of(request, f"{prefix}{_key(it)}")) for it in batch]
        tally.take(await control.tell_all(told))
    return tally.result(bulk_id, request.action)


def command_of(request: BulkRequest, command_id: str) -> Command:
    """The command that each of the instances is sent."""
    match request.action:
        case BulkAction.PAUSE:
            return PauseRequested(_UNSTAMPED, request.reason, command_id)
        case BulkAction.RESUME:
            return ResumeRequested(_UNSTAMPED, request.reason, command_id)
        case BulkAction.TERMINATE:
            return TerminateRequested(_UNSTAMPED, request.rollback, request.reason, command_id)
        case BulkAction.RESTART:
            return RestartRequested(_UNSTAMPED, None, request.reason, command_id)
        case BulkAction.DELETE:
            return DeleteRequested(_UNSTAMPED, request.reason, command_id)


@dataclass(slots=True)
class _Tally:
    """What became of it so far."""

    total: int
    report: Callable[[BulkProgress], None]
    already_done: int = 0
    outcomes: list[BulkOutcome] = field(default_factory=list)

    def repeat(self, rulings: Iterable[Ruling]) -> None:
        """What was told before, under the same id."""
        for it in rulings:
            self.already_done += 1
            self.outcomes.append(
                BulkOutcome(it.workflow, it.instance_id, it.verdict, it.after, it.message)
            )

    def pass_over(self, it: InstanceSummary) -> None:
        """Of one on which it has no effect."""
        key, status = _key(it), it.status
        self.outcomes.append(
            BulkOutcome(
                it.workflow,
                it.instance_id,
                "no_effect",
                status,
                f"{key} is {status}: nothing to do",
            )
        )

    def take(self, receipts: Sequence[Receipt]) -> None:
        """What became of a batch."""
        for it in receipts:
            self.outcomes.append(
                BulkOutcome(it.workflow, it.instance_id, it.verdict, it.status, it.message, it.code)
            )
        self.report(BulkProgress(len(self.outcomes), self.total))

    def result(self, bulk_id: str, action: BulkAction) -> BulkResult:
        """All of it."""
        new = self.outcomes[self.already_done :]
        done = sum(it.verdict == "accepted" for it in new)
        refused = sum(it.code is not None for it in new)
        return BulkResult(
            bulk_id,
            action,
            matched=len(self.outcomes),
            done=done,
            unchanged=len(new) - done - refused,
            refused=refused,
            already_done=self.already_done,
            outcomes=tuple(self.outcomes),
        )


async def _matching(reader: Lists, request: BulkRequest) -> list[InstanceSummary]:
    found: list[InstanceSummary] = []
    cursor: str | None = None
    while True:
        page = await reader.page(request.filters, limit=PAGE, cursor=cursor)
        found += page.instances
        if len(found) > BULK_MAX:
            raise InvalidRequest(
                f"more than {BULK_MAX} instances match: ask for fewer at once, by a workflow, a "
                "status, or a time of creation"
            )
        if (cursor := page.cursor) is None:
            return found


def _checked(bulk_id: str) -> str:
    is_plain = bulk_id.replace("-", "").replace("_", "").isalnum() and bulk_id.isascii()
    if not is_plain or len(bulk_id) > ID_LENGTH_MAX:
        raise InvalidRequest(f"id: up to {ID_LENGTH_MAX} letters, digits, - and _")
    return bulk_id


def _key(it: InstanceSummary) -> InstanceKey:
    return InstanceKey(it.workflow, it.instance_id)
