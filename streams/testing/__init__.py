"""Tests of workflows: the real engine, no broker, virtual time.

    async def test_the_reminder_comes_after_a_week():
        async with WorkflowTest(Welcome, env=Bindings(outbox)) as test:
            handle = await test.start(Welcome, {"user": "ada"})
            await handle.wait_for_status("waiting")
            await test.advance("7 days")
            assert await handle.result() == "reminded"

**What is real**: the fold, the executions, the owner of the partition, its step bodies. **What is
not**: the journal and the rows lie in memory, and time is a number. Bodies are tasks of the running
loop and may do real I/O; their timeouts count real time. Plain functions run one at a time, so that
a test does what it did before. The same steps, with the same ids, in the same order: every time.

**Time** passes when nothing else can happen and the test waits for something; `auto_advance=False`
leaves it to `advance`. It stands still while a body runs, unless `advance(wait_for_bodies=False)`
says otherwise. Nothing runs while the test does not wait.

**Mocks** are for instances created later (`test.…`), for those of one workflow
(`test.introspect(Flow).…`), or for one instance (`handle.…`): `disable_sleeps`,
`disable_retry_delays`, `mock_step_result`, `mock_step_error`, `force_step_timeout`, `mock_event`,
`force_event_timeout`, `dispose`. They last through restarts and crashes.

**Faults**: `test.crash()`, `test.crash_at(write)`, `test.duplicate()`, `test.reorder(seed)`, and
`crash_everywhere(make, scenario)`, which crashes at every single write.

**Code that changes**: `check_history(Flow, line)` replays the history of a real instance.
"""

from stepwell.streams.testing.crashes import crash_everywhere
from stepwell.streams.testing.errors import (
    CrashChangedTheEnd,
    DidNotComplete,
    KitError,
    MockedTwice,
    UnknownWorkflow,
    Unreachable,
)
from stepwell.streams.testing.handle import Handle
from stepwell.streams.testing.histories import check_history
from stepwell.streams.testing.introspection import Introspection
from stepwell.streams.testing.kit import WorkflowTest

__all__ = [
    "CrashChangedTheEnd",
    "DidNotComplete",
    "Handle",
    "Introspection",
    "KitError",
    "MockedTwice",
    "UnknownWorkflow",
    "Unreachable",
    "WorkflowTest",
    "check_history",
    "crash_everywhere",
]
