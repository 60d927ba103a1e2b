"""The part of `FakeApp` that knows replays and the past."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from stepwell.streams.gateway.reindex_list import KnownReindex
from stepwell.streams.gateway.replays import FindingView, ReplayView
from stepwell.streams.replay.asking import At, Mode, Pace, Request
from stepwell.streams.replay.errors import PlaceNotFound
from stepwell.streams.replay.findings import Finding, Verdict
from stepwell.streams.replay.plan import Plan, PlannedRange, Progress, Result, Ticket
from stepwell.streams.replay.ranges import Range
from stepwell.streams.settings import Settings
from stepwell.streams.views import InstanceDetails, ReindexView

RANGE = Range("stepwell.events", 0, 5, 12)
TICKET = Ticket("r-1", Mode.RERUN, (RANGE,), at_ms=1_767_225_600_000)
PLAN = Plan(
    TICKET,
    (
        PlannedRange("stepwell.events", 0, 5, 11, 6, 4, 1_767_225_600_000, 1_767_225_601_000),
        PlannedRange("stepwell.events", 1, 3, 2, 0, 0, None, None, "below the earliest, 3"),
    ),
    records=6,
    instances=4,
    vectors=3,
    left_alone={"running": 2},
    unreadable=1,
)
RESULT = Result("r-1", Mode.RERUN, done=4, outcomes={"complete": 3})
VERIFIED = Result(
    "r-1",
    Mode.VERIFY,
    done=2,
    counts={"embed-issue: embed": {"same": 1, "changed": 1}},
    findings=(Finding("embed-issue", "one", "embed", 1, Verdict.CHANGED, "a \x1b[31mb", "c"),),
)


VIEW = ReplayView(
    "r-1",
    "verify",
    "interrupted",
    1_767_225_600_000,
    done=2,
    total=3,
    counts={"embed-issue: embed": {"same": 1, "changed": 1}},
    findings=(FindingView("embed-issue", "one", "embed", 1, "changed", "a", "b"),),
    findings_total=1,
)
KNOWN = KnownReindex(
    ReindexView("r-9", "complete", "docs.jsonl", "Docs", 3, stored=2, stale=1),
    1_767_225_600_000,
    1_767_225_601_000,
)


class FakeReplays:
    """Answers from its fields; what `FakeApp` sets up tells what was asked."""

    _answer: Callable[..., None]
    replay_plan: ClassVar[Plan] = PLAN
    replay_result: ClassVar[Result] = RESULT
    interrupts_after: ClassVar[int | None] = None

    replays: ClassVar[list[ReplayView]] = [VIEW]
    reindexes: ClassVar[list[KnownReindex]] = [KNOWN]

    async def list_replays(self, settings: Settings) -> list[ReplayView]:
        self._answer(settings)
        return self.replays

    async def show_replay(self, settings: Settings, replay_id: str) -> ReplayView:
        self._answer(settings, replay_id)
        if replay_id not in ("latest", VIEW.id):
            raise PlaceNotFound(f"no replay {replay_id!r} was begun here")
        return VIEW

    async def list_reindexes(self, settings: Settings, limit: int) -> list[KnownReindex]:
        self._answer(settings, limit)
        return self.reindexes

    async def describe_instance_at(
        self, settings: Settings, workflow: str | None, instance_id: str, at: At
    ) -> InstanceDetails:
        from tests.cli.conftest import DETAILS

        self._answer(settings, workflow, instance_id, at)
        return DETAILS

    async def plan_replay(self, settings: Settings, request: Request) -> Plan:
        self._answer(settings, request)
        return replace(self.replay_plan, ticket=replace(self.replay_plan.ticket, mode=request.mode))

    async def plan_again(self, settings: Settings, replay_id: str) -> Plan:
        self._answer(settings, replay_id)
        return self.replay_plan

    async def execute_replay(
        self,
        settings: Settings,
        ticket: Ticket,
        pace: Pace,
        *,
        wait: bool,
        report: Callable[[Progress], None],
    ) -> Result:
        self._answer(settings, ticket.id, pace, wait)
        report(Progress(ticket.id, 2, 4))
        if self.interrupts_after is not None:
            raise KeyboardInterrupt
        return self.replay_result
