"""The history of an instance, replayed on code that has changed since."""

import pytest

from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.errors import Diverged
from stepwell.streams.testing import UnknownWorkflow, WorkflowTest, check_history


class Release1(Workflow, name="release"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.do("build", self.build)
        await step.sleep("bake", "1 day")

    async def build(self) -> None:
        """Builds."""


class Release2(Workflow, name="release"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        if step.patched("tests"):
            await step.do("test", self.test)
        await step.do("build", self.test)
        await step.sleep("bake", "2 days")

    async def test(self) -> None:
        """Tests."""


class Release3(Workflow, name="release"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.do("compile", print)


async def sleeping() -> bytes:
    async with WorkflowTest(Release1) as test:
        handle = await test.start(Release1)
        await handle.wait_for_status("waiting")
        return handle.history()


async def test_code_that_marks_its_changes_carries_old_instances_on():
    check_history(Release1, await sleeping())
    check_history(Release2, await sleeping())


async def test_code_that_contradicts_a_history_is_found():
    with pytest.raises(Diverged, match="the code waits for step 'compile-1', the history holds"):
        check_history(Release3, await sleeping())


async def test_the_history_of_another_workflow_says_nothing():
    class Other(Release1, name="other"):
        """Another workflow."""

    with pytest.raises(UnknownWorkflow, match="is of release/test-1, not of 'other'"):
        check_history(Other, await sleeping())
