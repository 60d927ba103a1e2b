"""Every example, with a worker that dies at every single write: the end is the same."""

from typing import Any

import pytest

from stepwell.streams.examples.gallery import EXAMPLES, Example
from stepwell.streams.examples.running import messages_of, play
from stepwell.streams.testing import WorkflowTest, crash_everywhere


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_a_worker_that_dies_changes_nothing(example: Example):
    if example.name == "image-pipeline":
        pytest.importorskip("PIL", reason="Pillow is an extra: stepwell[images]")
    worlds: list[Any] = []

    def make() -> WorkflowTest:
        worlds.append(example.world())
        return WorkflowTest(example.workflow, *example.children, env=worlds[-1])

    async def scenario(test: WorkflowTest) -> tuple[str, tuple[str, ...]]:
        handle = await play(example, test, example.params)
        return handle.status, messages_of(worlds[-1])

    status, _ = await crash_everywhere(make, scenario)
    assert status == "complete"
    assert len(worlds) > 5
