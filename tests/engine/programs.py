"""Random workflow programs: gather, race, task groups, cancellation and caught errors, nested."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from stepwell.streams.engine.errors import StepError
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent

DEPTH_MAX = 3


@dataclass(frozen=True)
class Node:
    """A piece of a program: its kind, a number of its own, and its parts."""

    kind: str
    number: int
    parts: tuple["Node", ...] = ()


LEAVES = ("do", "do", "sleep", "event", "moment")
BRANCHES = ("in-turn", "gather", "race", "group", "cancel-one", "catch", "shielded")


def program(random: Random, depth: int = 0) -> Node:
    """A program of random form."""
    number = random.randrange(4)  # few numbers: names repeat
    if depth == DEPTH_MAX or (depth and random.random() < 0.35):
        return Node(random.choice(LEAVES), number)
    parts = tuple(program(random, depth + 1) for _ in range(random.randint(1, 3)))
    return Node(random.choice(BRANCHES), number, parts)


def body(number: int) -> int:
    return number


async def carry_out(node: Node, step: Step) -> Any:
    """Do what the program says; the value tells which way it went."""
    return await _KINDS[node.kind](node, step)


async def _do(node: Node, step: Step) -> Any:
    return await step.do(f"do-{node.number}", body, node.number)


async def _sleep(node: Node, step: Step) -> Any:
    await step.sleep(f"sleep-{node.number}", 100 * node.number)
    return "slept"


async def _event(node: Node, step: Step) -> Any:
    match = {"n": node.number} if node.number else None
    event = await step.wait_for_event(f"event-{node.number}", type="note", match=match)
    return event.payload


async def _moment(_node: Node, step: Step) -> Any:
    return [step.now().isoformat(), step.random().random(), str(step.uuid())]


async def _in_turn(node: Node, step: Step) -> Any:
    return [await carry_out(part, step) for part in node.parts]


async def _gather(node: Node, step: Step) -> Any:
    parts = [carry_out(part, step) for part in node.parts]
    results = await asyncio.gather(*parts, return_exceptions=True)
    return [told(result) for result in results]


async def _race(node: Node, step: Step) -> Any:
    result = await step.race(*[carry_out(part, step) for part in node.parts])
    return [result.winner, result.value]


async def _group(node: Node, step: Step) -> Any:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(carry_out(part, step)) for part in node.parts]
    except ExceptionGroup as errors:
        return [told(error) for error in errors.exceptions]
    return [task.result() for task in tasks]


async def _cancel_one(node: Node, step: Step) -> Any:
    """The first part goes on beside the others until these have ended."""
    beside = asyncio.ensure_future(carry_out(node.parts[0], step))
    await step.do("meanwhile", body, 1)
    ended = beside.done()
    beside.cancel()
    results = await asyncio.gather(beside, return_exceptions=True)
    rest = [await carry_out(part, step) for part in node.parts[1:]]
    return [ended, told(results[0]), rest]


async def _catch(node: Node, step: Step) -> Any:
    try:
        return [await carry_out(part, step) for part in node.parts]
    except StepError as error:
        return [told(error), await step.do("instead", body, 0)]


async def _shielded(node: Node, step: Step) -> Any:
    """Whatever happens to it, it tidies up by a step."""
    try:
        return [await carry_out(part, step) for part in node.parts]
    finally:
        await step.do("tidy", body, 2)


def told(result: Any) -> Any:
    """A result or an error, as an output."""
    return f"{type(result).__name__}" if isinstance(result, BaseException) else result


_KINDS: dict[str, Callable[[Node, Step], Awaitable[Any]]] = {
    "do": _do,
    "sleep": _sleep,
    "event": _event,
    "moment": _moment,
    "in-turn": _in_turn,
    "gather": _gather,
    "race": _race,
    "group": _group,
    "cancel-one": _cancel_one,
    "catch": _catch,
    "shielded": _shielded,
}


def workflow_of(tree: Node) -> type[Workflow]:
    """The workflow that carries a program out."""

    class Program(Workflow, name="program"):
        async def run(self, event: WorkflowEvent[Any], step: Step) -> Any:
            return await carry_out(tree, step)

    return Program
