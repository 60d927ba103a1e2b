"""What the journal would not take ends the instance with an error, not the worker with a crash."""

from typing import Any

import pytest

from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.testing import WorkflowTest

TOO_MUCH = "x" * (RESULT_BYTES_MAX + 1)


class Large(Workflow, name="large"):
    """Asks for too much, in the way that its parameters say."""

    async def run(self, event: WorkflowEvent[str], step: Step) -> Any:
        match event.payload:
            case "child":
                await step.child("big", "large", TOO_MUCH)
            case "continue":
                step.continue_as_new(TOO_MUCH)
            case "wait":
                await step.wait_for_event("big", type="go", match={"id": TOO_MUCH})
            case "object":
                return object()
        return TOO_MUCH


@pytest.mark.parametrize(
    ("how", "name", "what"),
    [
        ("output", "ResultTooLarge", "InstanceCompleted"),
        ("child", "ResultTooLarge", "the parameters of child big-1"),
        ("continue", "ResultTooLarge", "InstanceContinued"),
        ("wait", "ResultTooLarge", "WaitStarted"),
        ("object", "NotSerialisable", "InstanceCompleted"),
    ],
)
async def test_the_instance_ends_with_an_error_that_says_what(
    how: str, name: str, what: str
) -> None:
    async with WorkflowTest(Large) as test:
        handle = await test.start(Large, how)
        await handle.wait_for_status("errored")
        assert handle.error is not None
        assert handle.error.name == name
        assert what in handle.error.message
