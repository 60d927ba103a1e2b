"""Schedules: what is started when, after a pause, and when a trigger is no longer declared."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    ChildReported,
    InstanceCreated,
    InstanceKey,
    InstanceRecord,
    SleepStarted,
    StepSucceeded,
    TimerFired,
)
from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.effects import (
    Complete,
    Continue,
    Effect,
    RunStep,
    StartChild,
    StartSleep,
)
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.execution import Execution
from stepwell.streams.engine.run import Run
from stepwell.streams.engine.triggers import on_cron
from stepwell.streams.runtime.registry import Workflows


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def text(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M}"


def reporting(*triggers: Any) -> Workflows:
    """Workflows of which one has these triggers."""

    class Report(Workflow, name="report"):
        async def run(self, event: WorkflowEvent[Any], step: Step) -> None: ...

    Report.triggers = triggers
    return Workflows([(Report, None)])


@dataclass(eq=False)
class Life:
    """One schedule carried through its runs, by a clock that jumps from timer to timer."""

    workflows: Workflows
    key: InstanceKey
    created: InstanceCreated
    now_ms: int

    def __post_init__(self) -> None:
        self.started: list[StartChild] = []
        self.runs = 0
        self.asleep_until_ms = 0
        self.is_over = False
        self._begin(self.created.params)

    def restart(self) -> None:
        """The workflow is carried on by another worker, from its records."""
        execution = self._execution
        self._execution = self._create()
        self._execution.replay(self._records)
        execution.close()

    def _begin(self, params: Any) -> None:
        self.runs += 1
        self._records: list[InstanceRecord] = []
        created = InstanceCreated(params, self.created.at_ms)
        self._run = Run(self.key, self.runs, codec.decode(codec.encode(created)), self.now_ms)
        self._execution = self._create()
        self._obey(self._execution.start())

    def _create(self) -> Execution:
        return Execution(self.workflows.create(self.key.workflow), self._run)

    def _obey(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case StartSleep(key=key):
                    self.asleep_until_ms = effect.until_ms
                    times = self.now_ms, effect.until_ms
                    self._deliver(SleepStarted(1, key.name, key.occurrence, 0, *times, effect.call))
                case RunStep(key=key):
                    result = effect.function(*effect.args)
                    times = self.now_ms, self.now_ms
                    self._deliver(StepSucceeded(1, key.name, key.occurrence, 1, 0, *times, result))
                case StartChild(key=key):
                    assert not effect.awaited
                    self.started.append(effect)
                    self._deliver(
                        ChildReported(
                            1, key.name, key.occurrence, effect.call, self.now_ms, "", "created"
                        )
                    )
                case Continue():
                    self._begin(effect.params)
                case Complete():
                    self.is_over = True

    def _deliver(self, record: InstanceRecord) -> None:
        stored = codec.decode(codec.encode(record))
        self._records.append(stored)
        self._obey(self._execution.deliver(stored))

    def wake(self, late_ms: int = 0) -> list[str]:
        """Its timer fires; the times for which it has started something."""
        self.now_ms = max(self.now_ms, self.asleep_until_ms) + late_ms
        self.started.clear()
        before = self.runs
        self._deliver(TimerFired(1, "until-next", 1, 0, self.now_ms))
        assert self.is_over or self.runs == before + 1
        return [text(effect.schedule.scheduled_ms) for effect in self.started]


def live(workflows: Workflows, now: str) -> Life:
    ((key, value),) = workflows.schedules(ms(now))
    return Life(workflows, InstanceKey.decode(key), codec.decode(value), ms(now))


def test_each_time_starts_an_instance_that_knows_it() -> None:
    life = live(reporting(on_cron("0 7 * * *", params={"for": "all"})), "2026-05-01 12:00")
    assert life.wake() == ["2026-05-02 07:00"]
    (started,) = life.started
    assert (started.workflow, started.params) == ("report", {"for": "all"})
    assert (started.schedule.cron, started.instance[-14:]) == ("0 7 * * *", "20260502T0700Z")
    assert life.wake() == ["2026-05-03 07:00"]
    assert life.runs == 3


def test_times_are_those_of_the_time_zone() -> None:
    life = live(reporting(on_cron("30 2 * * *", time_zone="Europe/Berlin")), "2026-03-27 12:00")
    assert [life.wake() for _ in range(3)] == [
        ["2026-03-28 01:30"],
        ["2026-03-29 01:00"],  # 02:30 is left out when the clocks go forward
        ["2026-03-30 00:30"],
    ]


@pytest.mark.parametrize(
    ("catch_up", "started"),
    [
        ("latest", ["2026-05-01 15:00"]),
        ("all", ["2026-05-01 13:00", "2026-05-01 14:00", "2026-05-01 15:00"]),
        ("skip", []),
    ],
)
def test_times_that_were_missed_are_caught_up_with_as_declared(
    catch_up: str, started: list[str]
) -> None:
    life = live(reporting(on_cron("0 * * * *", catch_up=catch_up)), "2026-05-01 12:30")
    assert life.wake(late_ms=2 * 3_600_000 + 120_000) == started
    assert life.wake() == ["2026-05-01 16:00"]


def test_a_time_that_is_a_little_late_was_not_missed() -> None:
    life = live(reporting(on_cron("0 * * * *", catch_up="skip")), "2026-05-01 12:30")
    assert life.wake(late_ms=30_000) == ["2026-05-01 13:00"]


def test_very_many_missed_times_are_caught_up_with_in_several_runs() -> None:
    life = live(reporting(on_cron("* * * * *", catch_up="all")), "2026-05-01 00:00")
    counts = [len(life.wake(late_ms=249 * 60_000)), len(life.wake()), len(life.wake())]
    assert counts == [100, 100, 50]
    assert len(life.wake()) == 1


def test_the_latest_of_a_long_pause_is_found_however_rare_it_is() -> None:
    life = live(reporting(on_cron("0 0 1 * *")), "2026-01-15 00:00")
    assert life.wake(late_ms=364 * 24 * 3_600_000) == ["2027-01-01 00:00"]
    assert life.wake() == ["2027-02-01 00:00"]


def test_a_rare_time_is_not_slept_for_in_one_piece() -> None:
    life = live(reporting(on_cron("0 0 29 2 *")), "2026-05-01 00:00")
    assert text(life.asleep_until_ms) == "2026-05-31 00:00"
    assert life.wake() == []
    times: list[str] = []
    while not times:
        times = life.wake()
    assert times == ["2028-02-29 00:00"]


def test_a_schedule_ends_when_its_trigger_is_no_longer_declared() -> None:
    life = live(reporting(on_cron("0 7 * * *")), "2026-05-01 12:00")
    assert life.wake() == ["2026-05-02 07:00"]
    life.workflows = reporting(on_cron("0 8 * * *"))  # the next release, which replays it
    life.restart()
    assert life.wake() == []
    assert life.is_over


def test_a_trigger_that_breaks_a_rule_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidDefinition, match="Bad hour"):
        on_cron("0 25 * * *")
    with pytest.raises(ValueError, match="never"):
        on_cron("0 5 * * *", catch_up="never")


def test_the_same_trigger_is_the_same_schedule_in_every_worker_at_any_time() -> None:
    first, second = (
        [key for key, _ in reporting(on_cron("0  7 * * *", params=[1])).schedules(now_ms)]
        for now_ms in (1, 2)
    )
    assert first == second
    assert InstanceKey.decode(first[0]).workflow == "stepwell-schedule"


def test_triggers_that_differ_are_schedules_of_their_own() -> None:
    triggers = [
        on_cron("0 7 * * *"),
        on_cron("0 8 * * *"),
        on_cron("0 7 * * *", params=1),
        on_cron("0 7 * * *", time_zone="Europe/Berlin"),
    ]
    assert len({key for key, _ in reporting(*triggers).schedules(0)}) == len(triggers)


def test_a_schedule_that_has_ended_makes_room_at_once_for_the_next_of_its_id() -> None:
    ((_, value),) = reporting(on_cron("0 7 * * *")).schedules(0)
    assert codec.decode(value).retention.success_ms == 0
