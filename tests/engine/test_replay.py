"""Replay: the recorded past gives the same present; a past that contradicts the code is noticed."""

import pytest

from stepwell.schemas.parts import ErrorInfo
from stepwell.streams import StepError
from stepwell.streams.engine.errors import Diverged
from tests.engine.scenario import Scenario


def body(*_args: object) -> None: ...


async def sequence(_event, step):
    first = await step.do("first", body)
    return await step.do("second", body, first)


async def test_finished_steps_are_not_asked_for_again() -> None:
    story = Scenario(sequence).succeed("first", 1)
    (again,) = story.replayed()
    assert (str(again.key), again.args) == ("second-1", (1,))


async def test_a_finished_instance_asks_for_its_end_only() -> None:
    story = Scenario(sequence).succeed("first", 1).succeed("second", 2)
    assert story.replayed() == [story.outcome]


async def test_a_caught_failure_is_the_same_failure_in_replay() -> None:
    async def run(_event, step):
        try:
            await step.do("risky", body)
        except StepError:
            return await step.do("instead", body)

    story = Scenario(run).fail("risky", ErrorInfo("Boom", "")).succeed("instead", "ok")
    assert story.replayed()[0].output == "ok"


async def test_a_step_that_the_code_does_not_ask_for_any_more_is_a_divergence() -> None:
    story = Scenario(sequence).succeed("first", 1)

    async def renamed(_event, step):
        return await step.do("uno", body)

    changed = Scenario(renamed)
    with pytest.raises(Diverged, match=r"the code waits for step 'uno-1', .* holds step 'first-1'"):
        changed.take(story.records[0])


async def test_a_history_longer_than_the_code_is_a_divergence() -> None:
    story = Scenario(sequence).succeed("first", 1).succeed("second", 2)

    async def shortened(_event, step):
        return await step.do("first", body)

    changed = Scenario(shortened).take(story.records[0])
    with pytest.raises(Diverged, match="nothing: it has finished"):
        changed.take(story.records[1])


async def test_closing_runs_finally_blocks_and_asks_for_nothing() -> None:
    cleaned: list[str] = []

    async def run(_event, step):
        try:
            await step.do("long", body)
        finally:
            cleaned.append("up")
            await step.do("cleanup", body)

    story = Scenario(run)
    story.execution.close()
    assert cleaned == ["up"]
