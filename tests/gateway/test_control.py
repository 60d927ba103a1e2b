"""Commands are checked, appended, and judged by the fold; what it refuses is an error by name."""

import asyncio
from itertools import count

import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import DeleteRequested, StepRef
from stepwell.schemas.journal import InstanceCompleted, InstanceKey, StepSucceeded
from stepwell.schemas.parts import Lane, Retention
from stepwell.streams.errors import (
    BrokerUnavailable,
    CannotReceive,
    CannotRestart,
    CannotTerminate,
    InstanceExists,
    InstanceNotFound,
    InvalidInstanceId,
    InvalidRequest,
)
from stepwell.streams.gateway.control import Control, NewInstance
from stepwell.streams.gateway.folding import FoldedJournal
from tests.gateway.journal import MemoryJournal

ONE = InstanceKey("order", "one")
MIB = 1024 * 1024


def control_of(journal: MemoryJournal, timeout_ms: int = 30_000) -> Control:
    clock, ids = count(1_000), count(1)
    return Control(
        journal,
        FoldedJournal(journal.follow),
        clock=lambda: next(clock),
        new_id=lambda: f"id-{next(ids)}",
        timeout_ms=timeout_ms,
    )


@pytest.fixture
def journal():
    return MemoryJournal()


@pytest.fixture
def control(journal):
    return control_of(journal)


def details(journal, key=ONE):
    return next(iter(journal.ledger().details(key.workflow, key.instance)), None)


def status(journal, key=ONE):
    return details(journal, key).summary.status


async def finish(journal, receipt):
    """A worker completes the instance of a receipt."""
    key = InstanceKey(receipt.workflow, receipt.instance_id)
    journal.put(key.encode(), codec.encode(InstanceCompleted(receipt.offset, 0, 5_000, "done")))


class TestCreating:
    async def test_an_instance_is_made_with_the_given_id_and_parameters(self, control, journal):
        retention = Retention(1_000, 2_000)
        receipt = await control.create(
            "order", {"n": 1}, instance_id="one", lane=Lane.BULK, retention=retention
        )
        assert (receipt.instance_id, receipt.status, receipt.accepted) == ("one", "running", True)
        found = details(journal)
        assert (found.params, found.lane) == ({"n": 1}, "bulk")

    async def test_an_id_is_made_up_if_there_is_none(self, control, journal):
        receipt = await control.create("order")
        assert receipt.instance_id == "id-1"
        assert details(journal, InstanceKey("order", "id-1")).params is None

    async def test_an_id_that_is_taken_is_refused_and_changes_nothing(self, control, journal):
        await control.create("order", 1, instance_id="one")
        with pytest.raises(InstanceExists, match=r"^\(instance.already_exists\) order/one exists"):
            await control.create("order", 2, instance_id="one")
        assert details(journal).params == 1

    async def test_two_workflows_may_have_the_same_id(self, control):
        await control.create("order", instance_id="one")
        assert (await control.create("audit", instance_id="one")).accepted

    async def test_an_id_is_free_again_after_a_deletion(self, control, journal):
        await control.create("order", 1, instance_id="one")
        assert (await control.delete(ONE)).status is None
        await control.create("order", 2, instance_id="one")
        assert details(journal).params == 2

    async def test_parameters_may_take_a_mebibyte_and_no_more(self, control, journal):
        await control.create("order", "x" * (MIB - 2), instance_id="one")
        with pytest.raises(InvalidRequest, match="parameters take 1048577 bytes, the limit is"):
            await control.create("order", "x" * (MIB - 1))
        assert journal.length == 1

    async def test_what_cannot_be_stored_is_refused(self, control, journal):
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await control.create("order", {"when": {1, 2}})
        assert journal.length == 0

    @pytest.mark.parametrize("instance_id", ["", " ", "\na", "a b", "-a", "a" * 101, "a/b", "ä"])
    async def test_an_id_that_breaks_the_rules_is_refused(self, control, journal, instance_id):
        with pytest.raises(InvalidInstanceId, match=r"^\(instance.invalid_id\)"):
            await control.create("order", instance_id=instance_id)
        assert journal.length == 0

    @pytest.mark.parametrize("workflow", ["", "\norder", "a" * 65, "-a", "or/der"])
    async def test_a_workflow_name_that_breaks_the_rules_is_refused(self, control, workflow):
        with pytest.raises(InvalidRequest, match="workflow name"):
            await control.create(workflow)

    async def test_an_unknown_lane_is_refused(self, control):
        with pytest.raises(InvalidRequest, match="live, bulk"):
            await control.create("order", lane="fast")


class TestCreatingABatch:
    async def test_several_are_made(self, control, journal):
        new = [NewInstance(n, f"o-{n}") for n in range(100)]
        receipts = await control.create_batch("order", new)
        assert [receipt.instance_id for receipt in receipts] == [f"o-{n}" for n in range(100)]
        assert len(journal.ledger().summaries()) == 100

    async def test_those_that_exist_are_left_alone_and_out_of_the_answer(self, control, journal):
        await control.create("order", "first", instance_id="one")
        new = [NewInstance("second", "one"), NewInstance(2, "two"), NewInstance(3, "two")]
        receipts = await control.create_batch("order", new)
        assert [receipt.instance_id for receipt in receipts] == ["two"]
        assert details(journal).params == "first"
        assert details(journal, InstanceKey("order", "two")).params == 2
        assert await control.create_batch("order", new) == []

    @pytest.mark.parametrize("size", [0, 101])
    async def test_an_empty_or_too_large_batch_is_refused(self, control, size):
        with pytest.raises(InvalidRequest, match="1 to 100"):
            await control.create_batch("order", [NewInstance()] * size)

    async def test_one_bad_id_fails_the_whole_batch(self, control, journal):
        with pytest.raises(InvalidInstanceId):
            await control.create_batch("order", [NewInstance(1, "good"), NewInstance(2, "no good")])
        assert journal.length == 0


class TestCommanding:
    async def test_an_event_reaches_the_instance(self, control, journal):
        await control.create("order", instance_id="one")
        receipt = await control.send_event(ONE, "approved", {"by": "ann"})
        (event,) = details(journal).events
        assert (event.type, event.payload, event.event_id) == (
            "approved",
            {"by": "ann"},
            receipt.command_id,
        )

    async def test_an_event_sent_twice_counts_once(self, control, journal):
        await control.create("order", instance_id="one")
        await control.send_event(ONE, "approved", event_id="e-1")
        second = await control.send_event(ONE, "approved", event_id="e-1")
        assert (second.accepted, second.verdict) == (False, "duplicate-event")
        assert len(details(journal).events) == 1

    async def test_pause_and_resume(self, control, journal):
        await control.create("order", instance_id="one")
        assert (await control.pause(ONE, "lunch")).status == "waitingForPause"
        assert (await control.resume(ONE)).status == "running"

    async def test_to_resume_what_runs_has_no_effect_and_says_so(self, control):
        await control.create("order", instance_id="one")
        receipt = await control.resume(ONE)
        assert (receipt.accepted, receipt.status) == (False, "running")
        assert receipt.message == "order/one is running: there is nothing to resume"

    async def test_terminate_at_once_or_after_a_rollback(self, control):
        await control.create("order", instance_id="one")
        assert (await control.terminate(ONE, rollback=True)).status == "running"
        assert (await control.terminate(ONE)).status == "terminated"

    async def test_y1_to_y3_what_has_ended_cannot_be_terminated(self, control, journal):
        await finish(journal, await control.create("order", instance_id="one"))
        with pytest.raises(CannotTerminate, match=r"^\(instance.cannot_terminate\) .* complete"):
            await control.terminate(ONE)
        with pytest.raises(CannotTerminate):
            await control.cancel(ONE)

    async def test_what_has_ended_takes_no_events(self, control, journal):
        await finish(journal, await control.create("order", instance_id="one"))
        with pytest.raises(CannotReceive, match="takes no events any more"):
            await control.send_event(ONE, "approved")

    async def test_pausing_what_has_ended_has_no_effect(self, control, journal):
        await finish(journal, await control.create("order", instance_id="one"))
        assert not (await control.pause(ONE)).accepted
        assert status(journal) == "complete"

    async def test_restart_works_from_every_status(self, control, journal):
        await finish(journal, await control.create("order", instance_id="one"))
        assert (await control.restart(ONE)).status == "running"
        await control.terminate(ONE)
        assert (await control.restart(ONE)).status == "running"
        await control.pause(ONE)
        assert (await control.restart(ONE)).status == "running"

    async def test_y9_y11_restart_from_a_step(self, control, journal):
        receipt = await control.create("order", instance_id="one")
        for call, name in enumerate(("a", "b"), 1):
            record = StepSucceeded(receipt.offset, name, 1, 1, 0, 1, 2, name, call=call)
            journal.put(ONE.encode(), codec.encode(record))
        with pytest.raises(CannotRestart, match=r"no such step .* do 'b', number 2"):
            await control.restart(ONE, StepRef("b", 2))
        assert (await control.restart(ONE, StepRef("b"))).accepted
        assert [step.name for step in details(journal).steps] == ["a"]

    async def test_an_unknown_instance_is_not_found(self, control):
        for order in (control.pause, control.resume, control.terminate, control.delete):
            with pytest.raises(InstanceNotFound, match=r"^\(instance.not_found\) .*order/one"):
                await order(ONE)

    @pytest.mark.parametrize("event_type", ["", " ", "a b", "-a", "a" * 101])
    async def test_a_bad_event_type_is_refused(self, control, journal, event_type):
        with pytest.raises(InvalidRequest, match="event type"):
            await control.send_event(ONE, event_type)
        assert journal.length == 0

    async def test_a_payload_above_the_limit_is_refused(self, control):
        with pytest.raises(InvalidRequest, match="the payload take"):
            await control.send_event(ONE, "approved", "x" * MIB)

    @pytest.mark.parametrize(
        "step", [StepRef("a\0"), StepRef("a" * 257), StepRef("a", 0), StepRef("a", 1, "dance")]
    )
    async def test_a_bad_step_is_refused(self, control, step):
        with pytest.raises(InvalidRequest):
            await control.restart(ONE, step)

    @pytest.mark.parametrize("instance_id", ["*/5-1700000000000", "0_7_*_*_1,2-17", "a" * 271])
    async def test_ids_of_schedules_can_be_addressed(self, control, instance_id):
        with pytest.raises(InstanceNotFound):
            await control.delete(InstanceKey("order", instance_id))

    @pytest.mark.parametrize("instance_id", ["what?", "now!", "a" * 272, "", "a\n"])
    async def test_what_can_be_no_id_is_refused_everywhere(self, control, instance_id):
        with pytest.raises(InvalidInstanceId):
            await control.delete(InstanceKey("order", instance_id))


class TestDeletingABatch:
    async def test_each_position_says_what_became_of_it(self, control, journal):
        await control.create("order", instance_id="one")
        told = await control.delete_batch("order", ["one", "two", "one"])
        assert [each.instance_id for each in told] == ["one", "two", "one"]
        codes = [None, "instance.not_found", "instance.not_found"]
        assert [each.code for each in told] == codes
        assert [each.accepted for each in told] == [True, False, False]
        assert details(journal) is None

    async def test_a_malformed_id_fails_the_whole_call(self, control, journal):
        await control.create("order", instance_id="one")
        with pytest.raises(InvalidInstanceId):
            await control.delete_batch("order", ["one", "what?"])
        assert status(journal) == "running"

    @pytest.mark.parametrize("size", [0, 101])
    async def test_the_size_is_limited(self, control, size):
        with pytest.raises(InvalidRequest):
            await control.delete_batch("order", ["a"] * size)


class TestWaiting:
    async def test_waits_until_the_instance_has_ended(self, control, journal):
        receipt = await control.create("order", instance_id="one")
        waiting = asyncio.create_task(control.wait(receipt))
        await asyncio.sleep(0)
        assert not waiting.done()
        await finish(journal, receipt)
        assert (await waiting).status == "complete"

    async def test_a_deleted_instance_is_not_waited_for(self, control, journal):
        receipt = await control.create("order", instance_id="one")
        journal.put(ONE.encode(), codec.encode(DeleteRequested(2_000)))
        assert await control.wait(receipt) is None


class TestOutages:
    async def test_a_journal_that_is_down_is_said_at_once(self, control, journal):
        journal.up = False
        with pytest.raises(BrokerUnavailable):
            await control.create("order")

    async def test_a_journal_that_cannot_be_read_back_is_said_in_time(self, journal):
        journal.readable = False
        with pytest.raises(BrokerUnavailable, match="was not read back within 10 ms"):
            await control_of(journal, timeout_ms=10).create("order", instance_id="one")
        assert status(journal) == "running"
