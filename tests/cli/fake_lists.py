"""The part of the fake app that lists, watches, and does things to many."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from stepwell.streams.gateway.bulk import (
    BulkAction,
    BulkOutcome,
    BulkPlan,
    BulkProgress,
    BulkRequest,
    BulkResult,
)
from stepwell.streams.lists import (
    InstanceFilters,
    InstancePage,
    StepStatistics,
    WorkflowStatistics,
    WorkflowView,
)
from stepwell.streams.settings import Settings
from stepwell.streams.views import InstanceDetails, InstanceSummary

SUMMARY = InstanceSummary(
    "embed-issue",
    "delivery-1",
    "complete",
    created_ms=1_767_225_600_000,
    updated_ms=1_767_225_600_250,
)
STATISTICS = WorkflowStatistics(
    "embed-issue",
    {"complete": 40, "errored": 2},
    42,
    (StepStatistics("fetch-content", "do", 42, 40, 2, 45, 120, 1_500),),
    300,
    4_000,
)


@dataclass
class FakeLists:
    """Answers from its fields."""

    summaries: list[InstanceSummary] = field(default_factory=lambda: [SUMMARY])
    cursor: str | None = None
    pages: list[InstancePage] = field(default_factory=list)
    seen: list[InstanceDetails] = field(default_factory=list)
    statistics: WorkflowStatistics | None = STATISTICS
    workflows: list[WorkflowView] = field(
        default_factory=lambda: [WorkflowView("embed-issue", {"complete": 40, "errored": 2})]
    )
    matched: int = 3
    outcomes: tuple[BulkOutcome, ...] = ()
    interrupted_after: int | None = None
    done: list[tuple[BulkRequest, str, int]] = field(default_factory=list)

    async def page_instances(
        self,
        settings: Settings,
        filters: InstanceFilters,
        *,
        limit: int,
        cursor: str | None,
        oldest_first: bool,
    ) -> InstancePage:
        self._answer(settings, filters, limit, cursor, oldest_first)
        return InstancePage(tuple(self.summaries), self.cursor)

    async def watch_instances(
        self, settings: Settings, filters: InstanceFilters, *, limit: int, oldest_first: bool
    ) -> AsyncGenerator[InstancePage]:
        for page in self.pages:
            yield page
        self._answer(settings, filters, limit, oldest_first)

    async def watch_instance(
        self, settings: Settings, workflow: str | None, instance_id: str
    ) -> AsyncGenerator[InstanceDetails]:
        for found in self.seen:
            yield found
        self._answer(settings, workflow, instance_id)

    async def list_workflows(self, settings: Settings) -> list[WorkflowView]:
        self._answer(settings)
        return self.workflows

    async def describe_workflow(self, settings: Settings, name: str) -> WorkflowStatistics | None:
        self._answer(settings, name)
        return self.statistics

    async def plan_bulk(self, settings: Settings, request: BulkRequest) -> BulkPlan:
        self._answer(settings, request)
        sample = (SUMMARY,) if self.matched else ()
        return BulkPlan(request.action, self.matched, self.matched, {"complete": 3}, sample)

    async def execute_bulk(
        self,
        settings: Settings,
        request: BulkRequest,
        *,
        bulk_id: str,
        expected: int,
        report: Callable[[BulkProgress], None],
    ) -> BulkResult:
        self.done.append((request, bulk_id, expected))
        if self.interrupted_after is not None:
            report(BulkProgress(self.interrupted_after, expected))
            raise KeyboardInterrupt
        report(BulkProgress(expected, expected))
        refused = sum(it.code is not None for it in self.outcomes)
        return BulkResult(
            bulk_id,
            BulkAction(request.action),
            expected,
            expected - refused,
            0,
            refused,
            0,
            self.outcomes,
        )

    def _answer(self, settings: Settings, *asked: object) -> None:
        raise NotImplementedError
