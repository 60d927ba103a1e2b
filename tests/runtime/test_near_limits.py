"""Long before a limit ends an instance there is a warning, once, that names the limit."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from stepwell.schemas.journal import InstanceKey
from stepwell.streams import Step, Workflow, WorkflowEvent
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.runtime.near_limits import STEPS, TOLD_MAX, NearLimits
from stepwell.streams.testing import WorkflowTest

STEPS_MAX = 50


@pytest.fixture(autouse=True)
def _shown() -> Iterator[None]:
    """Other tests want no log."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(wrapper_class=before)


class Busy(Workflow, name="busy"):
    """Asks for as many steps as it is told, each of so many bytes."""

    steps_max = STEPS_MAX

    async def run(self, event: WorkflowEvent[tuple[int, int]], step: Step) -> None:
        steps, size = event.payload
        for _ in range(steps):
            await step.do("one", lambda: "x" * size)
            await step.sleep("a while", "1 day")  # no step, but it may leave the memory


async def warnings(steps: int, size: int = 0) -> tuple[str, list[dict[str, Any]]]:
    """How an instance ended, and what was said of limits."""
    with capture_logs() as lines:
        async with WorkflowTest(Busy) as test:
            handle = await test.start(Busy, (steps, size), id="bee")
            await handle.wait_for_status("complete")
            status = handle.status
    return status, [line for line in lines if line["event"] == "limit is near"]


async def test_a_fifth_of_the_steps_is_warned_of_once() -> None:
    assert await warnings(9) == ("complete", [])
    status, (warning,) = await warnings(STEPS_MAX)
    assert status == "complete"
    assert warning == {
        "event": "limit is near",
        "log_level": "warning",
        "instance": "busy/bee",
        "limit": "steps",
        "used": 10,
        "allowed": STEPS_MAX,
    }


async def test_a_fifth_of_a_record_is_warned_of_once() -> None:
    status, (warning,) = await warnings(3, RESULT_BYTES_MAX // 5)
    assert status == "complete"
    assert (warning["limit"], warning["allowed"]) == ("record-bytes", RESULT_BYTES_MAX)
    assert RESULT_BYTES_MAX // 5 < warning["used"] < RESULT_BYTES_MAX // 4


def test_an_instance_is_forgotten_when_too_many_others_were_told_of() -> None:
    counted: list[str] = []
    near = NearLimits(counted.append)
    with capture_logs():
        for name in (*range(TOLD_MAX + 1), TOLD_MAX, 0):
            near.tell(InstanceKey("busy", str(name)).encode(), STEPS, 10, STEPS_MAX)
    assert len(counted) == TOLD_MAX + 2
