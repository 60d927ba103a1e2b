"""Runs a scenario again and again, with a crash at another place each time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from stepwell.schemas.events import Json
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.testing.errors import CrashChangedTheEnd
from stepwell.streams.testing.kit import WorkflowTest
from stepwell.streams.views import RollbackView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    """How an instance ended."""

    status: str
    output: Json
    error: ErrorInfo | None
    rollback: RollbackView | None


async def crash_everywhere(
    make: Callable[[], WorkflowTest], scenario: Callable[[WorkflowTest], Awaitable[T]]
) -> T:
    """Run `scenario` without a crash, then for every write with a worker that dies instead of it.

    `make` makes the test, with fresh bindings, for each run. Raises `CrashChangedTheEnd` when a run
    gives another result, when an instance ends otherwise, or when a step that was over runs again.
    """
    result, ends, writes = await _run(make(), scenario)
    for write in range(1, writes + 1):
        test = make()
        test.crash_at(write)
        where = f"with a crash at write {write} of {writes}"
        try:
            result_now, ends_now, _ = await _run(test, scenario)
        except Exception as error:
            error.add_note(where)
            raise
        if test.ran_again:
            raise CrashChangedTheEnd(f"{where} these ran again: {', '.join(test.ran_again)}")
        if result_now != result:
            raise CrashChangedTheEnd(f"{where} the result is {result_now!r}, not {result!r}")
        for key in ends | ends_now:
            if (now := ends_now.get(key)) != (expected := ends.get(key)):
                raise CrashChangedTheEnd(f"{where} {key} ends as {now}, not as {expected}")
    return result


async def _run(
    test: WorkflowTest, scenario: Callable[[WorkflowTest], Awaitable[T]]
) -> tuple[T, dict[str, _End], int]:
    async with test:
        result = await scenario(test)
        writes = test.writes
        ends = {
            str(handle.key): _End(handle.status, handle.output, handle.error, handle.rollback)
            for handle in test.instances()
            if handle.details.parent is None  # the ids of children differ from run to run
        }
    return result, ends, writes
