"""Replays as tasks of a long-running process: planned, begun, watched, stopped, gone on with.

Each runs in a thread with a loop of its own: it opens workflows, whose factories may load a model,
and a gateway must answer meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from stepwell.streams.errors import StepwellError
from stepwell.streams.gateway.replays import (
    FINDINGS_MAX,
    FindingView,
    PlanView,
    RangeView,
    ReplayAsk,
    ReplayView,
)
from stepwell.streams.operator.replay_shelf import ReplayShelf
from stepwell.streams.operator.replay_threads import LoopThread
from stepwell.streams.operator.replaying import execute_replay, plan_replay
from stepwell.streams.replay.asking import (
    IN_FLIGHT_MAX,
    Mode,
    Pace,
    Request,
    parse_filters,
    parse_scope,
)
from stepwell.streams.replay.errors import ReplayRefused
from stepwell.streams.replay.plan import Plan, Progress, Result, Ticket
from stepwell.streams.replay.wording import parse_start, parse_until
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.settings import Settings
from stepwell.streams.wiring import topics_of

log = structlog.get_logger(__name__)

RUNNING_MAX = 2
PLANNED_AT_ONCE = 2
SAVE_EVERY_S = 1.0
STOP_TIMEOUT_S = 10
"""A body that does not end is left behind: its thread ends with the process."""

Stopped = Literal["cancelled", "interrupted"]


class ReplayDesk:
    """Obeys `gateway.replays.Replays`."""

    def __init__(
        self,
        settings: Settings,
        *,
        plan: Callable[[Settings, Request], Awaitable[Plan]] = plan_replay,
        execute: Callable[..., Awaitable[Result]] = execute_replay,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._execute = execute
        self._clock = clock
        topics = topics_of(settings.kafka)
        folder = settings.worker.data_dir / "replays"
        self._shelf = ReplayShelf(folder, clock, {topics.events, topics.journal})
        self._running: dict[str, _Running] = {}
        self._planning = asyncio.Semaphore(PLANNED_AT_ONCE)
        self._saving = asyncio.Lock()

    async def plan(self, ask: ReplayAsk) -> PlanView:
        """What it would do; kept, so that exactly that may be executed."""
        request = _request(ask, self._clock())
        async with self._planning:
            plan = await LoopThread(lambda: self._plan(self._settings, request)).run()
        view = _plan_view(plan)
        planned = ReplayView(
            view.id, view.mode, "planned", plan.ticket.at_ms, total=view.instances, plan=view
        )
        async with self._saving:
            await asyncio.to_thread(self._shelf.plan, plan.ticket, planned)
        return view

    async def execute(
        self,
        replay_id: str,
        *,
        rate: float | None = None,
        concurrency: int | None = None,
        wait: bool = False,
    ) -> ReplayView:
        """Begin it, or go on with it, and return; doing so again changes nothing."""
        found = await self.find(replay_id)
        if found.status in ("running", "complete"):
            return found
        ticket = await asyncio.to_thread(self._shelf.ticket, replay_id)
        if replay_id in self._running:  # begun meanwhile
            return self._running[replay_id].view
        if len(self._running) >= RUNNING_MAX:
            others = ", ".join(self._running)
            raise ReplayRefused(f"{RUNNING_MAX} replays are running, {others}: wait, or cancel one")
        pace = Pace(rate, IN_FLIGHT_MAX if concurrency is None else concurrency)
        view = replace(
            found, status="running", started_ms=self._clock(), finished_ms=None, error=None
        )
        running = self._running[replay_id] = _Running(view)
        running.task = asyncio.create_task(self._carry(running, ticket, pace, wait=wait))
        await self._save(view)
        return view

    async def list(self) -> list[ReplayView]:
        """The newest first, without their plans and findings."""
        kept = await asyncio.to_thread(self._shelf.newest)
        found = [self._running[it.id].view if it.id in self._running else it for it in kept]
        return [replace(it, plan=None, findings=()) for it in found]

    async def find(self, replay_id: str) -> ReplayView:
        """One of them; raises `PlaceNotFound`."""
        if replay_id in self._running:
            return self._running[replay_id].view
        return await asyncio.to_thread(self._shelf.find, replay_id)

    async def cancel(self, replay_id: str) -> ReplayView:
        """Stop it; what it started runs on. One that is over stays as it is."""
        if replay_id in self._running:
            return await self._stop(self._running[replay_id], "cancelled")
        found = await self.find(replay_id)
        if found.status == "running":
            raise ReplayRefused(f"replay {replay_id} runs at another gateway: cancel it there")
        if found.status not in ("planned", "interrupted"):
            return found
        cancelled = replace(found, status="cancelled", finished_ms=self._clock())
        await self._save(cancelled)
        return cancelled

    async def stop(self) -> None:
        """Stop them all; they may be gone on with later. Idempotent."""
        running = list(self._running.values())
        await asyncio.gather(*(self._stop(it, "interrupted") for it in running))

    # --- inside -------------------------------------------------------------------------------

    async def _carry(self, running: "_Running", ticket: Ticket, pace: Pace, *, wait: bool) -> None:
        """Until it is over, whatever the end; it is kept how far it is, for others to see."""
        thread = LoopThread(
            lambda: self._execute(self._settings, ticket, pace, wait=wait, report=running.note)
        )
        work = asyncio.create_task(thread.run())
        try:
            while not (await asyncio.wait({work}, timeout=SAVE_EVERY_S))[0]:
                await self._save(running.view)
            end = _ended(running.view, work.result())
        except asyncio.CancelledError:
            thread.cancel()
            await asyncio.wait({work}, timeout=STOP_TIMEOUT_S)
            end = replace(running.view, status=running.stopped_as)
        except StepwellError as error:
            end = replace(running.view, status="errored", error=str(error))
        except Exception as error:
            log.exception("replay failed", replay=ticket.id)
            end = replace(running.view, status="errored", error=f"{type(error).__name__}: {error}")
        end = replace(end, finished_ms=self._clock())
        try:
            await self._save(end)
        finally:
            running.view = end
            del self._running[ticket.id]
        log.info("replay ended", replay=ticket.id, status=running.view.status)

    async def _stop(self, running: "_Running", status: Stopped) -> ReplayView:
        running.stopped_as = status
        assert running.task is not None
        running.task.cancel()
        await asyncio.wait({running.task})
        return running.view

    async def _save(self, view: ReplayView) -> None:
        async with self._saving:  # in the order in which it is asked for
            await asyncio.to_thread(self._shelf.save, view)


@asynccontextmanager
async def open_replays(settings: Settings) -> AsyncIterator[ReplayDesk]:
    """A desk; what runs when it is closed is interrupted, and may be gone on with."""
    desk = ReplayDesk(settings)
    try:
        yield desk
    finally:
        await desk.stop()


@dataclass(slots=True)
class _Running:
    """A replay that runs, and how far it is."""

    view: ReplayView
    task: "asyncio.Task[None] | None" = None
    stopped_as: Stopped = "cancelled"

    def note(self, progress: Progress) -> None:
        """Told by the thread of the replay; the newest counts."""
        self.view = replace(
            self.view,
            done=progress.done,
            total=progress.total,
            ended=progress.ended,
            failed=progress.failed,
        )


def _request(ask: ReplayAsk, now_ms: int) -> Request:
    return Request(
        start=parse_start(ask.start, now_ms),
        mode=Mode(ask.mode),
        until=parse_until(ask.until),
        scopes=tuple(parse_scope(text) for text in ask.topics),
        workflow=ask.workflow,
        filters=parse_filters(ask.filters),
        execute=False,
        skip=ask.skip,
        tolerance=ask.tolerance,
    )


def _plan_view(plan: Plan) -> PlanView:
    ranges = tuple(
        RangeView(
            topic=it.topic,
            partition=it.partition,
            first=it.first,
            last=it.last,
            records=it.records,
            matched=it.matched,
            first_ms=it.first_ms,
            last_ms=it.last_ms,
            note=it.note,
        )
        for it in plan.ranges
    )
    return PlanView(
        id=plan.ticket.id,
        mode=plan.ticket.mode.value,
        ranges=ranges,
        records=plan.records,
        instances=plan.instances,
        vectors=plan.vectors,
        events=plan.events,
        left_alone=plan.left_alone,
        unreadable=plan.unreadable,
        steps=plan.steps,
    )


def _ended(view: ReplayView, result: Result) -> ReplayView:
    findings = tuple(
        FindingView(
            workflow=it.workflow,
            instance=it.instance,
            step=it.step,
            occurrence=it.occurrence,
            verdict=it.verdict,
            recorded=it.recorded,
            found=it.found,
        )
        for it in result.findings[:FINDINGS_MAX]
    )
    return replace(
        view,
        status="complete",
        done=result.done,
        already_done=result.already_done,
        outcomes=result.outcomes,
        counts=result.counts,
        findings=findings,
        findings_total=len(result.findings),
    )
