"""Time travel: an instance as it was at an offset of the journal, or at a time."""

import pytest

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import InstanceNotFound, InvalidRequest
from stepwell.streams.operator.past import describe_instance_at
from stepwell.streams.replay.asking import At
from stepwell.streams.replay.errors import OutOfBounds
from stepwell.streams.testing import WorkflowTest
from stepwell.streams.views import InstanceDetails
from tests.replay.conftest import MINUTE_MS, START_MS, Log
from tests.replay.flows import Note

pytestmark = pytest.mark.slow


@pytest.fixture
async def told(log: Log) -> Log:
    """One instance that asked, was answered, failed, and was deleted in the end."""
    async with WorkflowTest(Note) as test:
        await test.start(Note, {"name": "another"}, id="zero")
        handle = await test.start(Note, {"name": "n", "asks": True, "fails": True}, id="one")
        await handle.wait_for_status("waiting")
        await handle.send_event("answer", "yes")
        await handle.wait_for_status("errored")
        await test.control.delete(InstanceKey("note", "one"))
        await log.write_journal(test)
    return log


async def at(log: Log, **place: int) -> InstanceDetails:
    return await describe_instance_at(log.settings, "note", "one", At(**place))


async def offset_of(log: Log, kind: str) -> int:
    records = await log.broker.records(log.topics.journal, 1)
    wanted = f'"kind":"{kind}"'.encode()
    return next(it.offset for it in records if it.key == b"note/one" and wanted in it.value)


async def test_every_offset_shows_the_instance_as_it_was(told: Log) -> None:
    created = await offset_of(told, "InstanceCreated")
    found = await at(told, offset=created)
    assert (found.summary.status, found.steps) == ("running", ())
    found = await at(told, offset=await offset_of(told, "InstanceIdled"))
    assert found.summary.status == "waiting"
    assert [(step.name, step.status) for step in found.steps] == [
        ("read", "complete"),
        ("embed", "complete"),
        ("answer", "waiting"),
    ]
    found = await at(told, offset=await offset_of(told, "InstanceErrored"))
    assert found.summary.status == "errored"
    assert "full" in (found.summary.error or "")


async def test_a_time_is_as_good_as_the_offset_of_its_last_record(told: Log) -> None:
    idled = await offset_of(told, "InstanceIdled")
    moment = START_MS + idled * MINUTE_MS
    by_offset = await at(told, offset=idled)
    assert (await at(told, time_ms=moment)).summary == by_offset.summary
    assert (await at(told, time_ms=moment + MINUTE_MS - 1)).summary == by_offset.summary
    before = await at(told, time_ms=moment - 1)
    assert before.summary.status == "running"


async def test_before_its_creation_it_was_not_there(told: Log) -> None:
    created = await offset_of(told, "InstanceCreated")
    assert created > 0
    with pytest.raises(InstanceNotFound, match="there was no instance one at offset 0"):
        await at(told, offset=created - 1)
    with pytest.raises(InstanceNotFound, match="at 2025-12-31T23:59:59"):
        await at(told, time_ms=START_MS - 1)


async def test_an_instance_that_is_deleted_can_still_be_seen_as_it_was(told: Log) -> None:
    with pytest.raises(InstanceNotFound):
        await at(told, offset=await offset_of(told, "DeleteRequested"))
    errored = await offset_of(told, "InstanceErrored")
    moment = START_MS + errored * MINUTE_MS
    found = await describe_instance_at(told.settings, None, "one", At(time_ms=moment))
    assert found.summary.workflow == "note"


async def test_an_instance_that_is_there_now_says_when_it_was_made(log: Log) -> None:
    async with WorkflowTest(Note) as test:
        await test.start(Note, {"name": "another"}, id="zero")
        await test.start(Note, {"name": "n"}, id="one")
        await test.run_until_idle()
        await log.write_journal(test)
    with pytest.raises(InstanceNotFound, match=r"note/one .*: it was created at 2026-01-01T00:00"):
        await at(log, offset=0)


async def test_an_offset_that_the_journal_does_not_have_is_refused(told: Log) -> None:
    with pytest.raises(OutOfBounds, match="partition 0 holds offsets 0 to"):
        await at(told, offset=10_000)


async def test_where_several_workflows_have_the_id_one_must_be_named(log: Log) -> None:
    class Other(Note, name="other"):
        """The same under another name."""

    async with WorkflowTest(Note, Other) as test:
        for workflow in (Note, Other):
            await test.start(workflow, {"name": "n"}, id="one")
        await test.run_until_idle()
        await log.write_journal(test)
    with pytest.raises(InvalidRequest, match="one of note, other"):
        await describe_instance_at(log.settings, None, "one", At(offset=5))
