"""The workflows of the simulation: what each must come to is known beforehand."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from stepwell.streams.engine.errors import EventTimeout, NonRetryableError, StepError
from stepwell.streams.engine.places import Places
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from tests.simulation.workers import Chunks

FOREVER = Retries(limit=1000, delay=0, backoff="constant")
PATIENTLY = Retries(limit=1000, delay="2 seconds", backoff="constant")
NOTE = "note"


def double(number: int) -> int:
    return number * 2


def add(left: int, right: int) -> int:
    return left + right


def letters(number: int) -> Any:
    return Chunks("abc"[: number % 3 + 1])


def refuse(_number: int) -> None:
    raise NonRetryableError("never")


def undo(_context: Any) -> None:
    """A rollback handler."""


class Mixed(Workflow):
    """Sequence, gather and a task group, with repeated step names."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        value = event.payload
        for _ in range(3):
            value = await step.do("double", double, value, retries=FOREVER)
        left, right = await asyncio.gather(
            step.do("left", double, value, retries=FOREVER),
            step.do("right", add, value, 1, retries=PATIENTLY),
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(step.do("fan", add, left, n, retries=FOREVER)) for n in range(3)
            ]
        return sum(task.result() for task in tasks) + right


class Patient(Workflow):
    """Sleeps of all kinds beside steps; a sleep that loses its race; a stream."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> Any:
        await step.sleep("first", 200)
        value = await step.do("work", double, event.payload, retries=PATIENTLY)
        race = await step.race(step.sleep("short", 3_000), step.sleep("long", "1 hour"))
        await step.sleep_until("until", datetime.fromtimestamp(60, tz=UTC))
        stream = await step.do("letters", letters, value, retries=FOREVER)
        await asyncio.gather(
            step.sleep("beside", "1 minute"), step.do("slow", double, 1, retries=PATIENTLY)
        )
        return [value, race.winner, stream.read() if value else stream.chunks[0]]


class Listener(Workflow):
    """Takes three notes, one after the other, then one beside a race that it loses."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> list[int | None]:
        taken: list[int | None] = []
        for _ in range(3):
            try:
                note = await step.wait_for_event("note", type=NOTE, timeout="1 hour")
                taken.append(note.payload["id"])
            except EventTimeout:
                taken.append(None)
        await step.race(
            step.sleep("tick", 50),
            step.wait_for_event("never", type=NOTE, match={"id": -1}),
        )
        await step.do("after", double, 1, retries=FOREVER)
        return taken


class Loop(Workflow):
    """Takes one note in each run; its own runs are counted."""

    async def run(
        self, event: WorkflowEvent[dict[str, Any]], step: Step
    ) -> list[int | None] | None:
        taken: list[int | None] = event.payload["taken"]
        if len(taken) == 4:
            return taken
        got: int | None = None
        try:
            race = await step.race(
                step.wait_for_event("note", type=NOTE, timeout="30 minutes"),
                step.wait_for_event("other", type="other", timeout="1 hour"),
            )
            got = race.value.payload["id"]
        except EventTimeout:
            await step.do("nothing", double, 0, retries=FOREVER)
        return step.continue_as_new({"taken": [*taken, got]})


class Parent(Workflow):
    """A child that it awaits, one that it does not, and one that loses a race."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> Any:
        value = await step.child("child", "mixed", event.payload)
        await step.child("detached", "patient", event.payload, detach=True)
        race = await step.race(step.sleep("tick", 2_000), step.child("lonely", "lonely", None))
        return [value, race.winner]


class Lonely(Workflow):
    """Ends only when it is cancelled."""

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        try:
            await step.wait_for_event("never", type="never", timeout="12 hours")
        except asyncio.CancelledError:
            await step.do("clean", double, 1, retries=FOREVER)
            raise
        return "nobody cancelled it"


class Saga(Workflow):
    """Fails after four steps, of which three are undone, the last started first."""

    async def run(self, event: WorkflowEvent[int], step: Step) -> None:
        again = FOREVER
        await step.do("a", double, 1, rollback=undo, retries=again, rollback_retries=again)
        await asyncio.gather(
            step.do("b", double, 2, rollback=undo, retries=again, rollback_retries=again),
            step.do("c", double, 3, rollback=undo, retries=again, rollback_retries=PATIENTLY),
        )
        try:
            await step.do("d", refuse, 4)
        except StepError:
            await step.sleep("grief", 500)
            raise


class Narrow(Workflow):
    """Only one at a time may have steps running."""

    places = Places(running_max=1)

    async def run(self, event: WorkflowEvent[int], step: Step) -> int:
        first = await step.do("first", double, event.payload, retries=PATIENTLY)
        race = await step.race(step.sleep("nap", 300), step.do("work", double, first))
        await step.sleep("rest", 500)
        return await step.do("last", add, first, min(race.winner, 0), retries=FOREVER)


PROGRAMS: dict[str, type[Workflow]] = {
    "mixed": Mixed,
    "patient": Patient,
    "listener": Listener,
    "loop": Loop,
    "parent": Parent,
    "lonely": Lonely,
    "saga": Saga,
    "narrow": Narrow,
}
PARAMS = {"loop": {"taken": []}}


def mixed_output(number: int) -> int:
    value = number * 8
    return 3 * (value * 2) + 3 + value + 1


def expected_output(workflow: str, number: int) -> Any:
    """What an instance returns that nobody meddles with; None where that is not known."""
    match workflow:
        case "mixed":
            return mixed_output(number)
        case "patient":
            return [2 * number, 0, "abc"[: (2 * number) % 3 + 1] if number else "a"]
        case "parent":
            return [mixed_output(number), 0]
        case "narrow":
            return 2 * number
        case _:
            return None
