"""Replays: planned without a trace, executed by appending to the journal as any client may.

Nothing here joins the workers' consumer group or commits: live processing is never rewound.
"""

import asyncio
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

from stepwell.schemas.commands import RestartRequested
from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.topics import Topics
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.agents.route import Routes
from stepwell.streams.index.factory import HELD_BACK
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.kafka.ranges import LogReader, open_log
from stepwell.streams.operator.control import open_workflows
from stepwell.streams.operator.reading import open_read_model
from stepwell.streams.replay.asking import Mode, Origin, Pace, Request, Scope
from stepwell.streams.replay.choosing import (
    Chosen,
    Instances,
    bodies_of,
    choose,
    count_vectors,
    failed_step,
)
from stepwell.streams.replay.comparing import Tally, Verifier, either, open_attempts
from stepwell.streams.replay.errors import InvalidReplay, OutOfBounds
from stepwell.streams.replay.findings import Finding
from stepwell.streams.replay.flight import Flight
from stepwell.streams.replay.plan import Plan, PlannedRange, Progress, Result, Ticket, Tickets
from stepwell.streams.replay.ranges import Facts, check_scopes, resolve
from stepwell.streams.replay.selection import Selection, command_of
from stepwell.streams.replay.starts import Report, Starts
from stepwell.streams.replay.verifying import Rules
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.settings import Settings
from stepwell.streams.wiring import RECORD_BYTES_MAX, security_of, topics_of

VERIFIED_AT_ONCE = 64
APPEND_TIMEOUT_MS = 30_000


async def plan_replay(settings: Settings, request: Request) -> Plan:
    """What a replay would do; its ranges end where the log ends now.

    Raises `PlaceNotFound`, `InvalidReplay`, and `OutOfBounds` when it is to be executed.
    """
    async with _open(settings) as log:
        ranges = resolve(request, await _facts(log, topics_of(settings.kafka), request))
        ticket = Ticket(
            id=f"r-{uuid.uuid4().hex[:12]}",
            mode=request.mode,
            ranges=tuple(ranges),
            at_ms=system_clock(),
            workflow=request.workflow,
            filters=request.filters,
            skip=request.skip,
            tolerance=request.tolerance,
        )
        return await _plan(settings, log, ticket)


async def plan_again(settings: Settings, replay_id: str) -> Plan:
    """The plan of a replay that was begun, to go on with it; raises `PlaceNotFound`."""
    ticket = _tickets(settings).find(replay_id)
    async with _open(settings) as log:
        await _check_kept(log, ticket)
        return await _plan(settings, log, ticket)


async def execute_replay(
    settings: Settings, ticket: Ticket, pace: Pace, *, wait: bool, report: Report
) -> Result:
    """Do it. What was interrupted goes on when the same ticket comes again: nothing is done twice.

    With `wait` it returns when all instances that it started have ended or are paused.
    """
    _tickets(settings).keep(ticket)
    journal = topics_of(settings.kafka).journal
    flight = Flight(pace, now=time.monotonic)
    async with AsyncExitStack() as opened:
        log = await opened.enter_async_context(_open(settings))
        selection = await opened.enter_async_context(_selection(settings, ticket))
        await _survey(log, selection)
        ends = await _ends(log, journal)
        known = await opened.enter_async_context(open_read_model(settings))
        if ticket.mode is Mode.VERIFY:
            return await _verify(settings, choose(known, selection), ticket, flight, report)
        following = await opened.enter_async_context(_open(settings))
        publisher = await opened.enter_async_context(_publisher(settings))
        follower = asyncio.create_task(_watch(following, journal, ends, flight))
        starts = Starts(ticket, publisher.append, flight, follower, report)
        try:
            if ticket.mode is Mode.RERUN:
                await _rerun(log, selection, known, starts)
            else:
                await _resume(selection, known, starts)
            await starts.finish(wait=wait)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
    return starts.result()


# --- planning ---------------------------------------------------------------------------------


async def _facts(log: LogReader, topics: Topics, request: Request) -> list[Facts]:
    known = await log.topics()
    scopes = _scopes(request, topics)
    check_scopes(scopes, known)
    committed = await log.committed(topics.app_id) if request.start.origin is Origin.SHIFT else {}
    facts: dict[tuple[str, int], Facts] = {}
    for scope in scopes:
        topic, partitions = scope.topic, list(scope.partitions or known[scope.topic])
        bounds = await log.bounds(topic, partitions)
        starts: dict[int, int | None] = {}
        untils: dict[int, int | None] = {}
        if request.start.origin is Origin.TIME:
            starts = await log.offsets_at(topic, partitions, request.start.value)
        if request.until.time_ms is not None:
            untils = await log.offsets_at(topic, partitions, request.until.time_ms)
        for one, found in bounds.items():
            facts[topic, one] = Facts(
                topic=topic,
                partition=one,
                earliest=found.earliest,
                end=found.end,
                at_start=starts.get(one),
                at_until=untils.get(one),
                committed=committed.get((topic, one)),
            )
    return [facts[place] for place in sorted(facts)]


def _scopes(request: Request, topics: Topics) -> Sequence[Scope]:
    scopes = request.scopes
    if request.start.origin is Origin.FILE:
        scopes = tuple(Scope(topic, (partition,)) for topic, partition in request.start.offsets)
    refused = {facts.name for facts in topics.facts()} - {topics.events, topics.journal}
    for scope in scopes:
        if scope.topic in refused:
            raise InvalidReplay(
                f"topic {scope.topic!r} holds neither events nor instances: replay "
                f"{topics.events} or {topics.journal}"
            )
    return scopes or (Scope(topics.events),)


async def _check_kept(log: LogReader, ticket: Ticket) -> None:
    gone = []
    for each in ticket.ranges:
        bounds = (await log.bounds(each.topic, [each.partition]))[each.partition]
        if each.first < min(bounds.earliest, each.end):
            place = f"{each.topic}:{each.partition}"
            gone.append(f"{place}: retention has removed what lay before {bounds.earliest}")
    if gone:
        raise OutOfBounds(gone)


async def _plan(settings: Settings, log: LogReader, ticket: Ticket) -> Plan:
    async with _selection(settings, ticket) as selection:
        ranges = await _survey(log, selection)
    async with open_read_model(settings) as known:
        if ticket.mode is Mode.RERUN:
            chosen = Chosen([it for key in selection.creations if (it := known.recording(key))])
            instances, vectors = len(selection.creations), count_vectors(chosen.recordings)
        else:
            chosen = choose(known, selection)
            instances, vectors = len(chosen.recordings), 0
    return Plan(
        ticket=ticket,
        ranges=tuple(ranges),
        records=sum(each.records for each in ranges),
        instances=instances,
        vectors=vectors,
        events=selection.messages,
        left_alone=dict(chosen.left_alone),
        unreadable=selection.unreadable,
        steps=bodies_of(chosen.recordings, ticket) if ticket.mode is Mode.VERIFY else {},
    )


async def _survey(log: LogReader, selection: Selection) -> list[PlannedRange]:
    """Read the ranges once, and count what is really there."""
    places = {(each.topic, each.partition): each for each in selection.ticket.ranges}
    records: Counter[tuple[str, int]] = Counter()
    matched: Counter[tuple[str, int]] = Counter()
    times: dict[tuple[str, int], tuple[int, int]] = {}
    async for record in _records(log, selection.ticket):
        place, at_ms = (record.topic, record.partition), record.timestamp_ms
        records[place] += 1
        matched[place] += selection.survey(record)
        first, last = times.get(place, (at_ms, at_ms))
        times[place] = min(first, at_ms), max(last, at_ms)
    return [
        PlannedRange(
            topic=place[0],
            partition=place[1],
            first=each.first,
            last=each.end - 1,
            records=records[place],
            matched=matched[place],
            first_ms=times[place][0] if place in times else None,
            last_ms=times[place][1] if place in times else None,
            note=each.note,
        )
        for place, each in places.items()
    ]


# --- doing it ---------------------------------------------------------------------------------


async def _rerun(log: LogReader, selection: Selection, known: Instances, starts: Starts) -> None:
    ticket, starts.total = selection.ticket, len(selection.creations)
    async for record in _records(log, ticket):
        for key, created in selection.creations_of(record):
            if known.recording(key) is None:
                await starts.add(key, created)
            else:
                starts.already_done += 1
    await starts.flush()  # an instance must be there before it is sent anything
    if not selection.messages:
        return
    async for record in _records(log, ticket):
        for key, sent in selection.messages_of(record):
            await starts.send(key, sent)


async def _resume(selection: Selection, known: Instances, starts: Starts) -> None:
    replay_id = selection.ticket.id
    recordings = choose(known, selection).recordings
    starts.total = len(recordings)
    for recording in recordings:
        command_id = command_of(replay_id, recording.key)
        if known.command(command_id) is not None:
            starts.already_done += 1
            continue
        step, reason = failed_step(recording), f"replay {replay_id}"
        request = RestartRequested(system_clock(), step, reason, command_id)
        await starts.add(recording.key, request)


async def _verify(
    settings: Settings, chosen: Chosen, ticket: Ticket, flight: Flight, report: Report
) -> Result:
    """Compute them with an index that takes every write, and what differs with one that is newer.

    Which of the two a step has met is on no record: what is the same with one of them is the same.
    """
    found: dict[InstanceKey, list[Finding]] = {}
    total, differ = len(chosen.recordings), 0
    async for key, findings in _computed(settings, "held-back-stored", chosen, ticket, flight):
        found[key] = findings
        differ += any(it.differs for it in findings)
        report(Progress(ticket.id, len(found), total, len(found), differ))
    changed = [it for it in chosen.recordings if any(one.is_changed for one in found[it.key])]
    if changed:
        again = Chosen(changed)
        async for key, findings in _computed(settings, "held-back-stale", again, ticket, flight):
            found[key] = either(found[key], findings)
    tally = Tally()
    for findings in found.values():
        tally.take(findings)
    return Result(
        ticket.id, ticket.mode, total, counts=tally.counts, findings=tuple(tally.differences)
    )


async def _computed(
    settings: Settings, held_back: str, chosen: Chosen, ticket: Ticket, flight: Flight
) -> AsyncIterator[tuple[InstanceKey, list[Finding]]]:
    at_once = min(VERIFIED_AT_ONCE, flight.limit or VERIFIED_AT_ONCE)
    async with open_workflows(_held_back(settings, held_back)) as workflows:
        with open_attempts(system_clock) as attempts:
            rules = Rules(ticket.tolerance, ticket.skip)
            verifier = Verifier(workflows.create, rules, attempts)
            async for found in verifier.verify_all(
                chosen.recordings, at_once=at_once, turn=lambda: flight.turn(asyncio.sleep)
            ):
                yield found


async def _watch(log: LogReader, journal: str, ends: Mapping[int, int], flight: Flight) -> None:
    """Tell the flight of everything that comes after these ends, for ever."""
    async for record in log.read(journal, {one: (end, sys.maxsize) for one, end in ends.items()}):
        flight.take(record.key or b"", record.value or b"")


# --- small parts ------------------------------------------------------------------------------


@asynccontextmanager
async def _selection(settings: Settings, ticket: Ticket) -> AsyncIterator[Selection]:
    journal = topics_of(settings.kafka).journal
    asks_triggers = any(each.topic != journal for each in ticket.ranges)
    if ticket.mode is not Mode.RERUN or not asks_triggers:
        yield Selection(ticket, journal)
        return
    async with open_workflows(_held_back(settings)) as workflows:
        yield Selection(ticket, journal, Routes(workflows))


async def _records(log: LogReader, ticket: Ticket) -> AsyncIterator[RawRecord]:
    """The records of the ranges, one topic after the other."""
    for topic in dict.fromkeys(each.topic for each in ticket.ranges):
        ranges = {it.partition: (it.first, it.end) for it in ticket.ranges if it.topic == topic}
        async for it in log.read(topic, ranges):
            yield RawRecord(
                it.topic,
                it.partition,
                it.offset,
                it.timestamp,
                it.key,
                it.value,
                tuple(it.headers),
            )


async def _ends(log: LogReader, topic: str) -> dict[int, int]:
    partitions = (await log.topics()).get(topic, [])
    return {one: found.end for one, found in (await log.bounds(topic, partitions)).items()}


def _held_back(settings: Settings, scheme: str = "held-back-stored") -> Settings:
    """The same settings, with an index that makes no writes."""
    assert scheme in HELD_BACK
    url = f"{scheme}:{settings.index.url}"
    return replace(settings, index=replace(settings.index, url=url))


def _open(settings: Settings) -> AbstractAsyncContextManager[LogReader]:
    return open_log(settings.kafka.bootstrap, security_of(settings.kafka))


@asynccontextmanager
async def _publisher(settings: Settings) -> AsyncIterator[EventPublisher]:
    kafka = settings.kafka
    publisher = EventPublisher(
        kafka.bootstrap,
        topics_of(kafka).journal,
        timeout_ms=APPEND_TIMEOUT_MS,
        record_bytes_max=RECORD_BYTES_MAX,
        security=security_of(kafka),
    )
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


def _tickets(settings: Settings) -> Tickets:
    return Tickets(settings.worker.data_dir / "replays")
