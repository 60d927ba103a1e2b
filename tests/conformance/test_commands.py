"""Any commands in any order, with crashes and time between: what a small model says comes about."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stepwell.schemas.commands import StepKind, StepRef
from stepwell.streams import Step, WorkflowEvent
from stepwell.streams.errors import InstanceError
from stepwell.streams.testing import WorkflowTest
from tests.conformance.flows import flow

ROUNDS = 3
NAP_S = 3600


class Counts:
    """How often the bodies of the workflow ran."""

    def __init__(self) -> None:
        self.first = self.last = self.undone = 0

    def do_first(self) -> None:
        self.first += 1

    def do_last(self) -> None:
        self.last += 1

    def undo(self, _context: Any) -> None:
        self.undone += 1


def listening(counts: Counts) -> Any:
    """A step, three times an event and a nap, a step."""

    async def run(event: WorkflowEvent[Any], step: Step) -> Any:
        await step.do("first", counts.do_first, rollback=counts.undo)
        taken = []
        for _ in range(ROUNDS):
            go = await step.wait_for_event("go", type="go", timeout="300 days")
            taken.append(go.payload)
            await step.sleep("nap", "1 hour")
        await step.do("last", counts.do_last)
        return taken

    return flow(run)


@dataclass
class Model:
    """What the documentation promises of that workflow, in a few lines."""

    counts: Counts = field(default_factory=Counts)
    status: str = "gone"
    taken: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    asleep: float | None = None
    """For how long it still sleeps."""

    def begin(self) -> None:
        self.status, self.taken, self.kept, self.asleep = "waiting", [], [], None
        self.counts.first += 1

    def go_on(self) -> None:
        while self.status == "waiting":
            if self.asleep is not None:
                if self.asleep > 0:
                    return
                self.asleep = None
                if len(self.taken) == ROUNDS:
                    self.status = "complete"
                    self.counts.last += 1
            elif self.kept:
                self.taken.append(self.kept.pop(0))
                self.asleep = NAP_S
            else:
                return

    def pass_time(self, seconds: float) -> None:
        while self.status == "waiting" and self.asleep is not None and seconds >= self.asleep:
            seconds -= self.asleep
            self.asleep = 0
            self.go_on()
        if self.status == "waiting" and self.asleep is not None:
            self.asleep -= seconds

    @property
    def ended(self) -> bool:
        return self.status in ("gone", "complete", "terminated")


class Commands(RuleBasedStateMachine):
    """The engine beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.counts, self.model = Counts(), Model()
        self.workflow = listening(self.counts)
        self.test = WorkflowTest(self.workflow, auto_advance=False)
        self.handle: Any = None

    def teardown(self) -> None:
        self.runner.run(self.test.__aexit__(None, None, None))
        self.runner.close()

    def do(self, command: Coroutine[Any, Any, Any]) -> bool:
        """Whether the command was taken; everything that follows from it happens."""

        async def settled() -> bool:
            try:
                await command
            except InstanceError:
                return False
            finally:
                await self.test.run_until_idle()
            return True

        return self.runner.run(settled())

    @rule()
    def create(self) -> None:
        async def start() -> None:
            self.handle = await self.test.start(self.workflow, id="one")

        is_new = self.model.status == "gone"
        assert self.do(start()) is is_new
        if is_new:
            self.model.known = set()
            self.model.begin()

    @precondition(lambda self: self.handle is not None)
    @rule(numbers=st.lists(st.integers(0, 5), min_size=1, max_size=4))
    def send(self, numbers: list[int]) -> None:
        for number in numbers:
            self.send_one(number)

    def send_one(self, number: int) -> None:
        taken = self.do(self.handle.send_event("go", number, event_id=f"e{number}"))
        model = self.model
        assert taken is not model.ended
        if taken and number not in model.known:
            model.known.add(number)
            model.kept.append(number)
            model.go_on()

    @precondition(lambda self: self.handle is not None)
    @rule()
    def pause(self) -> None:
        self.do(self.handle.pause())
        if self.model.status == "waiting":
            self.model.status = "paused"

    @precondition(lambda self: self.handle is not None)
    @rule()
    def resume(self) -> None:
        self.do(self.handle.resume())
        if self.model.status == "paused":
            self.model.status = "waiting"
            self.model.go_on()

    @precondition(lambda self: self.handle is not None)
    @rule(minutes=st.sampled_from([30, 90]))
    def pause_for_a_while(self, minutes: int) -> None:
        self.pause()
        self.pass_time(minutes)
        self.resume()

    @precondition(lambda self: self.handle is not None)
    @rule(how=st.sampled_from(["cancel", "end", "undo", "restart", "first", "delete"]))
    def do_something_drastic(self, how: str) -> None:
        {
            "cancel": self.cancel,
            "end": lambda: self.terminate(rollback=False),
            "undo": lambda: self.terminate(rollback=True),
            "restart": self.restart,
            "first": self.restart_from_the_first_step,
            "delete": self.delete,
        }[how]()

    def cancel(self) -> None:
        self.do(self.handle.cancel())
        if not self.model.ended:
            self.model.status = "terminated"

    def terminate(self, *, rollback: bool) -> None:
        model = self.model
        assert self.do(self.handle.terminate(rollback=rollback)) is not model.ended
        if not model.ended:
            model.status = "terminated"
            model.counts.undone += rollback

    def restart(self) -> None:
        assert self.do(self.handle.restart()) is (self.model.status != "gone")
        if self.model.status != "gone":
            self.model.known = set()
            self.model.begin()

    def restart_from_the_first_step(self) -> None:
        assert self.do(self.handle.restart("first")) is (self.model.status != "gone")
        if self.model.status != "gone":
            self.model.begin()

    @precondition(lambda self: self.handle is not None)
    @rule(number=st.integers(1, ROUNDS))
    def restart_from_a_wait(self, number: int) -> None:
        model = self.model
        asked_for = len(model.taken) + (model.asleep is None)
        can = model.status != "gone" and number <= asked_for
        target = StepRef("go", number, StepKind.WAIT)
        assert self.do(self.handle.restart(target)) is can
        if can:
            model.status, model.asleep, model.kept = "waiting", None, []
            model.taken = model.taken[: number - 1]

    def delete(self) -> None:
        assert self.do(self.handle.delete()) is (self.model.status != "gone")
        self.model.status = "gone"

    @rule()
    def crash(self) -> None:
        self.test.crash()
        self.runner.run(self.test.run_until_idle())

    @rule(minutes=st.sampled_from([1, 59, 60, 150]))
    def pass_time(self, minutes: int) -> None:
        self.runner.run(self.test.advance(f"{minutes} minutes"))
        self.model.pass_time(minutes * 60)

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if self.handle is None:
            return
        model = self.model
        try:
            status = self.handle.status
        except InstanceError:
            status = "gone"
        assert status == model.status
        assert vars(self.counts) == vars(model.counts)
        if status == "complete":
            assert self.handle.output == model.taken
        if status != "gone":
            assert [it.payload for it in self.handle.events] == model.taken + model.kept


Commands.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestAnyCommandsInAnyOrder = Commands.TestCase
