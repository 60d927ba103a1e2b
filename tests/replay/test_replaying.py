"""Replays on a log: what is planned, what is appended, and what is left alone."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import encode
from stepwell.schemas.commands import (
    EventReceived,
    RestartRequested,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams.engine.triggers import event_instance_id
from stepwell.streams.operator.replaying import execute_replay, plan_again, plan_replay
from stepwell.streams.replay.asking import (
    Filters,
    Mode,
    Origin,
    Pace,
    Request,
    Scope,
    Start,
    Until,
)
from stepwell.streams.replay.errors import InvalidReplay, OutOfBounds, PlaceNotFound
from stepwell.streams.replay.plan import Progress, Result, Ticket
from stepwell.streams.testing import WorkflowTest
from tests.kafka.conditions import eventually
from tests.replay.conftest import MINUTE_MS, START_MS, Log, put
from tests.replay.flows import Note

pytestmark = pytest.mark.slow  # a broker and a worker for each: seconds

EARLIEST = Request(Start(Origin.EARLIEST))


def note(number: int, type_: str = "note.made", **data: Any) -> CloudEvent:
    return CloudEvent(
        f"n-{number}", "tests", type_, f"note-{number % 3}", {"name": f"n{number}", **data}
    )


def key_of(event: CloudEvent) -> InstanceKey:
    return InstanceKey("note", event_instance_id(event))


async def execute(log: Log, ticket: Ticket, seen: list[Progress] | None = None) -> Result:
    report = seen.append if seen is not None else lambda _: None
    return await execute_replay(log.settings, ticket, Pace(), wait=False, report=report)


async def carried_out(log: Log, *events: CloudEvent) -> None:
    """Publish events and write the journal of a worker that has carried them out."""
    await log.publish(*events)
    async with WorkflowTest(Note) as test:
        for offset, event in enumerate(events):
            put(test, "note", event, offset)
        await test.run_until_idle()
        await log.write_journal(test)


# --- plans ------------------------------------------------------------------------------------


async def test_a_plan_counts_what_is_read_and_changes_nothing(log: Log) -> None:
    await carried_out(log, note(0), note(1), note(2, "other.made"), note(3))
    before = len(await log.journal())
    plan = await plan_replay(log.settings, EARLIEST)
    (found,) = plan.ranges
    assert (found.first, found.last, found.records, found.matched) == (0, 3, 4, 3)
    assert (found.first_ms, found.last_ms) == (START_MS, START_MS + 3 * MINUTE_MS)
    assert (plan.instances, plan.unreadable) == (3, 0)
    assert plan.vectors == 2  # two of them are versions of one subject
    assert len(await log.journal()) == before
    assert not (log.settings.worker.data_dir / "replays").exists()


async def test_what_compaction_took_aborted_records_and_markers_are_not_counted(log: Log) -> None:
    await compact_events(log)
    await log.publish(*(note(number) for number in range(6)))  # two of each of three subjects
    await transact(log, note(6), START_MS + 6 * MINUTE_MS, commit=True)  # of the first subject
    await transact(log, note(7), START_MS + 7 * MINUTE_MS, commit=False)
    await log.publish(note(8), at_ms=START_MS + 8 * MINUTE_MS)  # its segment stays open

    async def is_compacted() -> bool:
        there = await log.broker.records(log.topics.events, 1)
        return {4, 5, 6, 10} == {it.offset for it in there} - {8}

    await eventually(is_compacted, "compaction")
    plan = await plan_replay(log.settings, EARLIEST)
    (found,) = plan.ranges
    assert (found.first, found.last, found.records, found.matched) == (0, 10, 4, 4)
    assert (plan.instances, plan.unreadable) == (4, 0)
    assert (await execute(log, plan.ticket)).done == 4
    between = Request(Start(Origin.OFFSET, 1), until=Until(offset=5), execute=True)
    assert (await plan_replay(log.settings, between)).records == 1
    nothing = Request(Start(Origin.OFFSET, 7), until=Until(offset=10), execute=True)
    assert (await plan_replay(log.settings, nothing)).records == 0


async def compact_events(log: Log) -> None:
    """Only the last event of each subject is kept from now on."""
    configs = {"cleanup.policy": "compact", "segment.ms": "50", "min.cleanable.dirty.ratio": "0.01"}
    topic = ConfigResource(ConfigResourceType.TOPIC, log.topics.events, configs=configs)
    await (await log.broker.admin()).alter_configs([topic])


async def transact(log: Log, event: CloudEvent, at_ms: int, *, commit: bool) -> None:
    """Append an event in a transaction, whose end takes an offset too."""
    options = {"bootstrap_servers": log.settings.kafka.bootstrap, "transactional_id": event.id}
    key, value, headers = encode(event)
    async with AIOKafkaProducer(**options) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(
            log.topics.events, value, key, partition=0, headers=headers, timestamp_ms=at_ms
        )
        await (producer.commit_transaction if commit else producer.abort_transaction)()


async def test_records_that_are_no_events_or_have_no_instance_are_counted_apart(log: Log) -> None:
    await log.publish(note(0), CloudEvent("x", "tests", "note.bad", "s", {"no": "name"}))
    await log.producer.send_and_wait(log.topics.events, b"not an event", partition=0)
    await log.producer.send_and_wait(log.topics.events, None, b"note-0", partition=0)
    plan = await plan_replay(log.settings, EARLIEST)
    assert (plan.records, plan.instances, plan.unreadable) == (4, 1, 2)


async def test_times_and_the_place_of_the_workers_are_asked_of_the_log(log: Log) -> None:
    await log.publish(*(note(number) for number in range(5)))
    await log.broker.commit(log.topics.app_id, log.topics.events, 3)
    until = Until(time_ms=START_MS + 4 * MINUTE_MS)
    for start, first in (
        (Start(Origin.TIME, START_MS + 1), 1),
        (Start(Origin.SHIFT, -1), 2),
    ):
        plan = await plan_replay(log.settings, Request(start, until=until, execute=True))
        (found,) = plan.ranges
        assert (found.first, found.last, found.records) == (first, 3, 4 - first)


async def test_what_the_log_does_not_have_is_refused(log: Log) -> None:
    for refused, error in (
        (Request(Start(Origin.OFFSET, 9), execute=True), OutOfBounds),
        (replace(EARLIEST, scopes=(Scope("t.event"),)), PlaceNotFound),
    ):
        with pytest.raises(error):
            await plan_replay(log.settings, refused)


async def test_topics_that_hold_neither_events_nor_instances_are_refused(log: Log) -> None:
    scopes = (Scope(log.topics.dead_letters),)
    with pytest.raises(InvalidReplay, match="holds neither events nor instances"):
        await plan_replay(log.settings, replace(EARLIEST, scopes=scopes))


# --- rerun ------------------------------------------------------------------------------------


async def test_a_rerun_creates_linked_instances_that_give_way_to_live_ones(log: Log) -> None:
    events = [note(0), note(1)]
    await carried_out(log, *events)
    before = len(await log.journal())
    plan = await plan_replay(log.settings, EARLIEST)
    seen: list[Progress] = []
    result = await execute(log, plan.ticket, seen)
    assert (result.done, seen[-1].done, seen[-1].total) == (2, 2, 2)
    made = (await log.journal())[before:]
    assert [created.replay.of for _, created in made] == [str(key_of(it)) for it in events]
    for key, created in made:
        assert isinstance(created, InstanceCreated)
        assert key not in [key_of(event) for event in events]
        assert (created.lane, created.replay.id) == ("bulk", plan.ticket.id)
        assert created.at_ms == plan.ticket.at_ms
    assert made[0][1].params == {"name": "n0"}
    assert made[0][1].origin.offset == 0


async def test_the_end_is_frozen_when_it_is_planned(log: Log) -> None:
    await log.publish(note(0))
    plan = await plan_replay(log.settings, EARLIEST)
    await log.publish(note(1))
    assert (await execute(log, plan.ticket)).done == 1


async def test_what_was_begun_goes_on_and_makes_nothing_twice(log: Log) -> None:
    await log.publish(*(note(number) for number in range(4)))
    ticket = (await plan_replay(log.settings, EARLIEST)).ticket
    await execute(log, replace(ticket, ranges=(replace(ticket.ranges[0], end=2),)))
    await execute(log, ticket)  # the ticket that is kept is that of all
    made = [key for key, _ in await log.journal()]
    assert len(set(made)) == len(made) == 4
    plan = await plan_again(log.settings, ticket.id)
    assert plan.ticket == ticket
    result = await execute(log, plan.ticket)
    assert (result.done, result.already_done) == (0, 4)
    assert len(await log.journal()) == 4


async def test_a_replay_that_was_never_begun_cannot_go_on(log: Log) -> None:
    with pytest.raises(PlaceNotFound, match="no replay 'r-1' was begun here"):
        await plan_again(log.settings, "r-1")
    with pytest.raises(InvalidReplay, match="no id of a replay"):
        await plan_again(log.settings, "../../etc/passwd")


async def test_filters_and_workflows_narrow_it(log: Log) -> None:
    await log.publish(note(0), note(1, "note.edited"), note(2))
    for filters in (Filters(type="note.e*"), Filters(subject="note-1")):
        plan = await plan_replay(log.settings, replace(EARLIEST, filters=filters))
        assert (plan.records, plan.instances) == (3, 1)
        result = await execute(log, plan.ticket)
        assert result.done == 1
    plan = await plan_replay(log.settings, replace(EARLIEST, workflow="other"))
    assert plan.instances == 0


async def test_a_debounced_instance_is_repeated_once_with_its_last_parameters(log: Log) -> None:
    settings = replace(
        log.settings,
        worker=replace(log.settings.worker, workflows="tests.replay.flows:digests"),
    )
    await log.publish(note(0), note(3), note(6))
    plan = await plan_replay(settings, EARLIEST)
    assert plan.instances == 1
    for _ in range(2):
        await execute_replay(settings, plan.ticket, Pace(), wait=False, report=lambda _: None)
    ((_, created),) = await log.journal()
    assert (created.params, created.debounce_ms) == ({"name": "n6"}, 0)


async def test_events_for_an_instance_go_to_the_one_that_repeats_it(log: Log) -> None:
    asks = note(0, asks=True)
    sent = CloudEvent("s-1", "tests", "sent", "x", {"to": key_of(asks).instance, "name": ""})
    elsewhere = CloudEvent("s-2", "tests", "sent", "x", {"to": "nobody", "name": ""})
    await log.publish(sent, elsewhere, asks)
    plan = await plan_replay(log.settings, EARLIEST)
    assert (plan.instances, plan.events) == (1, 2)
    await execute(log, plan.ticket)
    (first, created), (second, received) = await log.journal()
    assert first == second
    assert isinstance(created, InstanceCreated)
    assert isinstance(received, EventReceived)


async def test_the_journal_has_instances_that_no_event_started(log: Log) -> None:
    async with WorkflowTest(Note) as test:
        await test.start(Note, {"name": "by hand"}, id="one")
        await test.run_until_idle()
        await log.write_journal(test)
    request = replace(EARLIEST, scopes=(Scope(log.topics.journal),))
    plan = await plan_replay(log.settings, request)
    assert plan.instances == 1
    await execute(log, plan.ticket)
    _, created = (await log.journal())[-1]
    assert (created.replay.of, created.params) == ("note/one", {"name": "by hand"})
    # What a replay has made is not repeated by the next: its original is.
    assert (await plan_replay(log.settings, request)).instances == 1


async def test_no_offset_of_the_workers_is_moved(log: Log) -> None:
    await log.publish(*(note(number) for number in range(3)))
    await log.broker.commit(log.topics.app_id, log.topics.events, 2)
    admin = await log.broker.admin()
    plan = await plan_replay(log.settings, EARLIEST)
    await execute(log, plan.ticket)
    assert await log.broker.committed(log.topics.app_id, log.topics.events) == {0: 2}
    groups = [group for group, *_ in await admin.list_consumer_groups()]
    assert groups in ([], [log.topics.app_id])


async def test_no_more_than_so_many_are_in_flight(log: Log) -> None:
    await log.publish(*(note(number) for number in range(5)))
    plan = await plan_replay(log.settings, EARLIEST)
    seen: list[Progress] = []
    going = asyncio.create_task(
        execute_replay(log.settings, plan.ticket, Pace(None, 2), wait=True, report=seen.append)
    )
    ended: set[InstanceKey] = set()
    async with asyncio.timeout(20):
        while len(ended) < 5:
            started = [key for key, it in await log.journal() if isinstance(it, InstanceCreated)]
            assert len(started) - len(ended) <= 2
            for key in started:
                if key not in ended:
                    await end(log, key)
                    ended.add(key)
        result = await going
    assert result.outcomes == {"terminated": 5}
    assert (seen[-1].done, seen[-1].ended, seen[-1].failed) == (5, 5, 5)


async def end(log: Log, key: InstanceKey) -> None:
    request = codec.encode(TerminateRequested(START_MS))
    await log.producer.send_and_wait(log.topics.journal, request, key.encode(), partition=0)


# --- resume and verify ------------------------------------------------------------------------


async def test_errored_instances_are_restarted_from_their_failed_step(log: Log) -> None:
    await carried_out(log, note(0), note(1, fails=True), note(2, fails=True))
    request = replace(EARLIEST, mode=Mode.RESUME)
    plan = await plan_replay(log.settings, request)
    assert (plan.instances, plan.left_alone, plan.vectors) == (2, {"complete": 1}, 0)
    before = len(await log.journal())
    for _ in range(2):
        result = await execute(log, plan.ticket)
    assert (result.done, result.already_done) == (0, 0)  # they are running now, not errored
    asked = (await log.journal())[before:]
    assert {key for key, _ in asked} == {key_of(note(1)), key_of(note(2))}
    assert {it.from_step for _, it in asked} == {StepRef("store", 1)}
    assert all(isinstance(it, RestartRequested) for _, it in asked)
    assert len(asked) == 2


async def test_only_complete_instances_are_verified_and_nothing_is_appended(log: Log) -> None:
    await carried_out(log, note(0), note(1, fails=True), note(2))
    before = len(await log.journal())
    plan = await plan_replay(log.settings, replace(EARLIEST, mode=Mode.VERIFY))
    assert (plan.instances, plan.left_alone) == (2, {"errored": 1})
    assert plan.steps == {"note: read": 2, "note: embed": 2, "note: store": 2}
    result = await execute(log, plan.ticket)
    assert (result.done, result.differs) == (2, False)
    assert result.counts["note: embed"] == {"same": 2}
    assert len(await log.journal()) == before


async def test_a_range_has_the_instances_of_its_events_only(log: Log) -> None:
    await carried_out(log, *(note(number) for number in range(4)))
    request = Request(Start(Origin.OFFSET, 1), Mode.VERIFY, Until(offset=3))
    plan = await plan_replay(log.settings, request)
    assert plan.instances == 2
