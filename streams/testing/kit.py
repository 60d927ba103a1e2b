"""`WorkflowTest`: workflows on the real engine, with no broker, in virtual time."""

from datetime import UTC, datetime
from random import Random
from typing import Any, Self

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import Schedule
from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.state import Status
from stepwell.streams.engine.workflow import CronSchedule, Workflow
from stepwell.streams.errors import InstanceExists, InstanceNotFound
from stepwell.streams.gateway import requests
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.judging import explain
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.spans import NO_TRACING, Tracing
from stepwell.streams.testing.errors import UnknownWorkflow
from stepwell.streams.testing.handle import Handle
from stepwell.streams.testing.introspection import Introspection
from stepwell.streams.testing.mocks import Mocks
from stepwell.streams.testing.world import World

START = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON_MS = 10 * 366 * 24 * 60 * 60 * 1000
"""Nothing is waited for longer: a workflow that sleeps in an endless loop does not end."""


class WorkflowTest(Introspection):
    """A deployment in memory for some workflows: `async with WorkflowTest(Flow) as test:`.

    Give each workflow alone, or as (workflow, env). Everything happens while the test awaits one of
    the methods here or of a handle; time passes only when nothing else can happen, and not at all
    by itself with `auto_advance=False`. Changes made here are for instances created later.

    A waiting instance is forgotten and replayed when it wakes, so code that is not deterministic
    shows itself: the instance pauses. `replays=False` keeps it in memory, which is faster.
    """

    def __init__(
        self,
        *workflows: type[Workflow] | tuple[type[Workflow], Any],
        env: Any = None,
        start: datetime = START,
        auto_advance: bool = True,
        replays: bool = True,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        pairs = (it if isinstance(it, tuple) else (it, env) for it in workflows)
        in_memory_max = 0 if replays else 1_000_000
        self._auto_advance = auto_advance
        self._world = World(
            Workflows(pairs), _ms(start), in_memory_max=in_memory_max, tracing=tracing
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._world.worker.stop()

    # --- instances ----------------------------------------------------------------------------

    async def start(
        self,
        workflow: type[Workflow] | str,
        params: Any = None,
        *,
        id: str | None = None,  # noqa: A002 - reads best at the call site
        schedule: CronSchedule | None = None,
    ) -> Handle:
        """Create an instance, which runs when it is waited for; raises `InstanceExists`."""
        name = workflow if isinstance(workflow, str) else workflow.name
        if self._world.workflows.create(name) is None:
            raise UnknownWorkflow(f"this test was not given the workflow {name!r}")
        instance_id = self._world.new_id() if id is None else requests.check_new_id(id)
        requests.check_params(params)
        plan = Schedule(schedule.cron, _ms(schedule.scheduled_time)) if schedule else None
        now_ms, trace = self._world.clock(), self._world.tracing.current()
        created = InstanceCreated(params, now_ms, schedule=plan, trace=trace)
        key = InstanceKey(name, instance_id)
        judged = self._world.journal.put(key.encode(), codec.encode(created))
        if judged is not None and not judged.accepted:
            raise InstanceExists(explain(judged))
        return self._handle(key)

    def get(self, workflow: type[Workflow] | str, instance_id: str) -> Handle:
        """An instance that exists, a child for example; raises `InstanceNotFound`."""
        key = InstanceKey(workflow if isinstance(workflow, str) else workflow.name, instance_id)
        if self._world.journal.ledger.summary(key) is None:
            raise InstanceNotFound(f"there is no instance {key}")
        return self._handle(key)

    def instances(self, workflow: type[Workflow] | None = None) -> list[Handle]:
        """All instances, or those of a workflow; the newest first."""
        found = self._world.journal.ledger.summaries(workflow=workflow.name if workflow else None)
        return [self._handle(InstanceKey(it.workflow, it.instance_id)) for it in found]

    def start_schedules(self) -> None:
        """Start the cron triggers of the workflows, as a worker does; then let time pass."""
        for key, value in self._world.workflows.schedules(self._world.clock()):
            self._world.journal.put(key, value)

    @property
    def control(self) -> Control:
        """The commands that the HTTP API and the command line give, for whatever is not here."""
        return self._world.control

    def introspect(self, workflow: type[Workflow]) -> Introspection:
        """Changes for those instances of one workflow that are created later."""
        return _OfWorkflow(self._world.mocks_by_workflow.setdefault(workflow.name, Mocks()))

    # --- time ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """What time it is."""
        return datetime.fromtimestamp(self._world.clock() / 1000, tz=UTC)

    @property
    def next_timer(self) -> datetime | None:
        """When the next sleep, wait or retry delay of an instance is over."""
        ledger, now_ms = self._world.journal.ledger, self._world.clock()
        due_ms = [
            step.until_ms
            for key in ledger.unfinished()
            for details in ledger.details(key.workflow, key.instance)
            if details.summary.status != Status.PAUSED
            for step in details.steps
            if step.until_ms is not None and step.until_ms > now_ms
        ]
        return datetime.fromtimestamp(min(due_ms) / 1000, tz=UTC) if due_ms else None

    async def advance(self, duration: Duration, *, wait_for_bodies: bool = True) -> None:
        """Let so much time pass, and everything happen that is due meanwhile, each at its time.

        Time stands still while step bodies run, and for ever if one never ends: not so with
        `wait_for_bodies=False`.
        """
        await self._advance_to(self._world.clock() + to_ms(duration), wait_for_bodies)

    async def advance_to_next_timer(self) -> bool:
        """Let time pass until the next timer is over; whether there was one."""
        await self.run_until_idle()
        due = self.next_timer
        if due is not None:
            await self._advance_to(_ms(due))
        return due is not None

    async def run_until_idle(self) -> None:
        """Let everything happen that can without an event, and without time passing."""
        await self._world.drive(_never, until_ms=self._world.clock())

    # --- faults -------------------------------------------------------------------------------

    def crash(self) -> None:
        """The worker dies now: its memory and what it has not written are lost; another starts."""
        self._world.crash()

    def crash_at(self, write: int) -> None:
        """The worker dies when it is about to make its `write`-th write from now, from 1."""
        self._world.dies_at = self._world.writes + write

    @property
    def writes(self) -> int:
        """How many writes workers have made: records, rows and commits."""
        return self._world.writes

    @property
    def ran_again(self) -> list[str]:
        """Bodies that were started after their step was over: there must be none."""
        return self._world.ran_again

    def duplicate(self) -> None:
        """From now on the worker's records are written twice, and every record is read twice."""
        self._world.duplicates = True

    def reorder(self, seed: int) -> None:
        """From now on steps that run at the same time complete in an order that chance decides."""
        self._world.order = self._world.worker.bodies.order = Random(seed)  # noqa: S311

    # --- inside -------------------------------------------------------------------------------

    @property
    def _mocks(self) -> Mocks:
        return self._world.mocks

    async def _advance_to(self, at_ms: int, wait_for_bodies: bool = True) -> None:
        world = self._world
        await world.drive(_never, until_ms=at_ms, wait_for_bodies=wait_for_bodies)
        world.set_time(at_ms)
        await world.drive(_never, until_ms=at_ms, wait_for_bodies=wait_for_bodies)

    def _handle(self, key: InstanceKey) -> Handle:
        return Handle(self._world, key, self._horizon)

    def _horizon(self) -> int:
        now_ms = self._world.clock()
        return now_ms + HORIZON_MS if self._auto_advance else now_ms


class _OfWorkflow(Introspection):
    def __init__(self, mocks: Mocks) -> None:
        self._changed = mocks

    @property
    def _mocks(self) -> Mocks:
        return self._changed


def _never() -> bool:
    return False


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
