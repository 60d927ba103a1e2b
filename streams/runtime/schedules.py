"""Cron: a built-in workflow with one instance for each declared cron trigger.

Being a workflow, a schedule survives whatever its worker does not: it sleeps until the next time,
starts the instance of that time under an id made of both, and continues as new.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice, takewhile
from typing import Any

from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import Retention
from stepwell.schemas.values import dumps
from stepwell.streams.engine.cron import times_after
from stepwell.streams.engine.triggers import CatchUp, CronTrigger
from stepwell.streams.engine.workflow import CronSchedule, Step, Workflow, WorkflowEvent

STARTS_PER_RUN_MAX = 100
LOOKS_AGAIN_AFTER = timedelta(days=30)
"""Whether a trigger is still declared is asked so often, however rarely it comes due."""
MISSED_AFTER = timedelta(minutes=1)
"""A time that passed so long ago has been missed."""
KEPT = Retention(success_ms=0, error_ms=30 * 24 * 60 * 60 * 1000)
"""A schedule that has ended is forgotten at once: its trigger may be declared again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule starts, when, and after which point in time it begins to count."""

    workflow: str
    cron: str
    time_zone: str
    params: Any
    catch_up: CatchUp
    after_ms: int

    @property
    def digest(self) -> str:
        """The same for equal triggers of one workflow, and for no others."""
        parts = [self.workflow, self.cron, self.time_zone, self.params, self.catch_up]
        return sha256(dumps(parts)).hexdigest()[:16]

    @property
    def key(self) -> InstanceKey:
        """The schedule itself."""
        return InstanceKey(Schedule.name, f"{self.workflow}-{self.digest}")

    def instance_id(self, time: datetime) -> str:
        """The id of what is started for this time."""
        return f"cron-{self.digest}-{time:%Y%m%dT%H%MZ}"

    def next(self) -> datetime | None:
        """The first time that has not been seen to."""
        return next(times_after(self.cron, self.time_zone, _time(self.after_ms)), None)

    def due(self, now: datetime) -> list[datetime]:
        """Those times up to now for which something is to be started, some of them if many."""
        after = _time(self.after_ms)
        match self.catch_up:
            case CatchUp.ALL:
                return list(islice(self._between(after, now), STARTS_PER_RUN_MAX))
            case CatchUp.SKIP:
                return list(self._between(max(after, now - MISSED_AFTER), now))
            case CatchUp.LATEST:
                return self._latest(after, now)

    def _latest(self, after: datetime, now: datetime) -> list[datetime]:
        """Looks back further and further: all times of a long pause may be a great many."""
        span = timedelta(hours=1)
        while True:
            begin = max(after, now - span)
            times = list(self._between(begin, now))
            if times or begin == after:
                return times[-1:]
            span *= 2

    def _between(self, after: datetime, now: datetime) -> Iterator[datetime]:
        times = times_after(self.cron, self.time_zone, after)
        return takewhile(lambda time: time <= now, times)


class Schedule(Workflow, name="stepwell-schedule"):
    """Starts an instance at each time of a cron trigger, for as long as that is declared."""

    env: Callable[[str], bool]
    """Whether the trigger of the schedule of this id is declared."""

    async def run(self, event: WorkflowEvent[Plan], step: Step) -> None:
        """One time, or all that were missed; then again."""
        plan = event.payload
        time = plan.next()
        if time is None:
            return
        await step.sleep_until("until-next", min(time, step.now() + LOOKS_AGAIN_AFTER))
        now = step.now()
        if not await step.do("is-declared", self.env, event.instance_id):
            return
        due = plan.due(now)
        for time in due:
            await step.child(
                "start",
                plan.workflow,
                plan.params,
                instance_id=plan.instance_id(time),
                detach=True,
                schedule=CronSchedule(plan.cron, time),
            )
        seen = due[-1] if len(due) == STARTS_PER_RUN_MAX else now
        step.continue_as_new(replace(plan, after_ms=round(seen.timestamp() * 1000)))


def plan_of(workflow: str, trigger: CronTrigger, now_ms: int) -> Plan:
    """The plan of a trigger that begins to count now; raises `NotSerialisable` for its params."""
    cron = " ".join(trigger.cron.split())
    return Plan(workflow, cron, trigger.time_zone, trigger.params, trigger.catch_up, now_ms)


def schedule_created(plan: Plan) -> InstanceCreated:
    """The creation of a schedule, which does nothing when it exists."""
    return InstanceCreated(plan, plan.after_ms, retention=KEPT)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
