"""Looks at the deployment for whoever glances at the dashboard: broker, workers, index, letters."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from stepwell.streams.deadletters.service import list_dead_letters
from stepwell.streams.engine.state import Status
from stepwell.streams.gateway.health import HealthBoard, HealthPart, HealthState, Look
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.kafka.ranges import LogReader, open_log
from stepwell.streams.lists import Pulse
from stepwell.streams.settings import Settings
from stepwell.streams.views import LetterQuery
from stepwell.streams.wiring import security_of, topics_of

BEHIND_MAX = 1_000
"""So many records may wait for workers before it is worth a look."""
QUEUED_MAX = 10_000
LETTERS_FRESH_MS = 30_000
LETTERS_TIMEOUT_MS = 15_000
"""To count dead letters, their topic is read."""
INDEX_FRESH_MS = 10_000

BROKER, LAG, INDEX, QUEUE, LAST, LETTERS = (
    "broker",
    "consumer lag",
    "index",
    "queue",
    "last event",
    "dead letters",
)


@asynccontextmanager
async def open_health(
    settings: Settings, pulse: Callable[[], Awaitable[Pulse]]
) -> AsyncIterator[HealthBoard]:
    """The board of this deployment; `pulse` is asked for what instances do."""
    board = HealthBoard(
        (
            Look((BROKER, LAG), partial(look_at_kafka, settings)),
            Look((INDEX,), partial(look_at_index, settings), INDEX_FRESH_MS),
            Look((QUEUE, LAST), partial(look_at_instances, pulse)),
            Look(
                (LETTERS,),
                partial(look_at_letters, settings),
                LETTERS_FRESH_MS,
                LETTERS_TIMEOUT_MS,
            ),
        )
    )
    board.current()  # so that the first who asks gets to see something
    try:
        yield board
    finally:
        await board.close()


async def look_at_kafka(settings: Settings) -> tuple[HealthPart, ...]:
    """Whether it answers, and how many records no worker has been through."""
    kafka = settings.kafka
    async with open_log(kafka.bootstrap, security_of(kafka)) as log:
        behind = await _behind(settings, log)
    broker = HealthPart(BROKER, HealthState.GOOD, "reachable", kafka.bootstrap)
    state, detail = HealthState.GOOD, "records that no worker has been through"
    if behind > BEHIND_MAX:
        state = HealthState.WARN
        detail = f"{behind} {detail}: is a worker running? stepwell doctor looks further"
    return broker, HealthPart(LAG, state, f"{behind:,}", detail, number=behind)


async def _behind(settings: Settings, log: LogReader) -> int:
    topics = topics_of(settings.kafka)
    known, behind = await log.topics(), 0
    committed = await log.committed(settings.kafka.app_id)
    for topic in (topics.events, topics.journal):
        for partition, found in (await log.bounds(topic, known.get(topic, []))).items():
            at = committed.get((topic, partition), found.earliest)
            behind += max(0, found.end - max(at, found.earliest))
    return behind


async def look_at_index(settings: Settings) -> tuple[HealthPart, ...]:
    """Whether it answers, and how many documents searches go to. No model is loaded."""
    own = settings.index
    store = make_directory(own.url, own.collection)
    try:
        directory = await store.read()
    finally:
        await store.close()
    if directory is None:
        return (HealthPart(INDEX, HealthState.GOOD, "empty", "nothing was stored yet", number=0),)
    current = directory.current
    index = make_index(own.url, current.name, current.dimension, first=own.collection)
    try:
        await index.open()
        count = await index.count()
    finally:
        await index.close()
    detail = f"{count} documents in {current.name}"
    return (HealthPart(INDEX, HealthState.GOOD, f"{count:,} documents", detail, number=count),)


async def look_at_instances(pulse: Callable[[], Awaitable[Pulse]]) -> tuple[HealthPart, ...]:
    """How many wait for their turn, and when something happened last."""
    found = await pulse()
    queued = found.counts.get(Status.QUEUED, 0)
    running = found.counts.get(Status.RUNNING, 0)
    state = HealthState.WARN if queued > QUEUED_MAX else HealthState.GOOD
    detail = f"{queued} instances are queued, {running} run"
    queue = HealthPart(QUEUE, state, f"{queued:,} queued", detail, number=queued)
    said = "never" if found.last_ms is None else "at"
    last = HealthPart(LAST, HealthState.GOOD, said, "last change of an instance", found.last_ms)
    return queue, last


async def look_at_letters(settings: Settings) -> tuple[HealthPart, ...]:
    """How many records could not be processed, and nobody has decided about."""
    count = len(await list_dead_letters(settings, LetterQuery()))
    state = HealthState.WARN if count else HealthState.GOOD
    detail = f"{count} open" + (": retry or discard them" if count else "")
    return (HealthPart(LETTERS, state, f"{count:,} open", detail, number=count),)
