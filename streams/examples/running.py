"""Runs an example here and now: on the testing kit, with local bindings, in virtual time."""

from contextlib import suppress
from dataclasses import dataclass

from stepwell.schemas.events import Json
from stepwell.streams.bindings.notifier import Outbox
from stepwell.streams.engine.state import TERMINAL
from stepwell.streams.examples.gallery import Example
from stepwell.streams.testing import DidNotComplete, Handle, WorkflowTest
from stepwell.streams.views import InstanceDetails


@dataclass(frozen=True, slots=True)
class Ran:
    """How it went."""

    details: InstanceDetails
    messages: tuple[str, ...]
    """What it would have sent to people."""


async def run_offline(example: Example, params: Json = None) -> Ran:
    """Run an example to its end, with its own parameters unless others are given."""
    world = example.world()
    async with WorkflowTest(example.workflow, *example.children, env=world) as test:
        handle = await play(example, test, example.params if params is None else params)
        return Ran(handle.details, messages_of(world))


async def play(example: Example, test: WorkflowTest, params: Json) -> Handle:
    """The instance, ended; it was sent the events of the example, each in its time."""
    handle = await test.start(example.workflow, params)
    for sent in example.events:
        await test.advance(sent.after)
        if handle.status not in TERMINAL:
            await handle.send_event(sent.type, sent.payload)
    with suppress(DidNotComplete):  # what it ended with is for the caller to see
        await handle.result()
    return handle


def messages_of(world: object) -> tuple[str, ...]:
    """What was sent to people in this world."""
    notifier = getattr(world, "notifier", None)
    return tuple(notifier.texts) if isinstance(notifier, Outbox) else ()
