"""gather, TaskGroup, wait and cancellation are plain asyncio, and replay to the same end."""

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from stepwell.schemas.parts import ErrorInfo
from stepwell.streams import StepError
from tests.engine.scenario import Scenario


def body(*_args: object) -> None: ...


async def both(_event, step):
    return await asyncio.gather(step.do("left", body), step.do("right", body))


async def test_gathered_steps_are_asked_for_together() -> None:
    assert Scenario(both).asked == ["left-1", "right-1"]


async def test_results_of_gather_keep_their_places_whatever_order_they_come_in() -> None:
    assert Scenario(both).succeed("right", 2).succeed("left", 1).output == [1, 2]


async def test_the_first_failure_of_a_task_group_cancels_its_siblings() -> None:
    async def run(_event, step):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(step.do("good", body))
                group.create_task(step.do("bad", body))
        except* StepError:
            pass
        return await step.do("mend", body)

    story = Scenario(run).fail("bad", ErrorInfo("Boom", ""))
    assert (story.cancelled, story.asked) == (["good-1"], ["mend-1"])
    assert story.succeed("good", "too late").effects == []
    assert story.succeed("mend", "mended").output == "mended"
    assert story.replayed()[0].output == "mended"


async def test_what_nobody_waits_for_any_more_is_cancelled_at_the_end() -> None:
    async def run(_event, step):
        tasks = [asyncio.create_task(step.do(name, body)) for name in ("slow", "fast")]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return [task.result() for task in done]

    story = Scenario(run).succeed("fast", "first")
    assert (story.output, story.cancelled) == (["first"], ["slow-1"])


async def test_locks_queues_and_events_of_asyncio_work() -> None:
    async def run(_event, step):
        queue: asyncio.Queue[int] = asyncio.Queue()
        lock, ready = asyncio.Lock(), asyncio.Event()

        async def produce() -> None:
            async with lock:
                await queue.put(await step.do("make", body))
                ready.set()

        task = asyncio.create_task(produce())
        await ready.wait()
        await task
        return await queue.get()

    assert Scenario(run).succeed("make", 5).output == 5


async def tangle(_event, step):
    """Branches that race: who asks for what depends on the order in which records arrive."""
    log: list[str] = []

    async def branch(name: str, length: int) -> None:
        for _ in range(length):
            log.append(f"{name}{await step.do(name, body)}")
            log.append(str(await step.do("shared", body)))

    await asyncio.gather(branch("a", 2), branch("b", 3), branch("c", 1))
    return log


@given(st.integers(0, 2**32))
def test_any_order_of_records_replays_to_the_same_steps_and_output(seed: int) -> None:
    random = Random(seed)
    story = Scenario(tangle)
    waiting = list(story.effects)
    serial = 0
    while story.outcome is None:
        step = waiting.pop(random.randrange(len(waiting)))
        serial += 1
        story.succeed(step.key.name, serial, step.key.occurrence)
        waiting += [effect for effect in story.effects if effect is not story.outcome]
        still_waiting = {effect.key for effect in waiting}
        if story.outcome is None:
            assert {effect.key for effect in story.replayed()} == still_waiting
    assert story.replayed() == [story.outcome]
