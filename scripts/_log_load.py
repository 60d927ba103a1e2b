"""What `scripts/bench_log` measures, with the same client code whatever the broker."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stepwell.streams.kafka.app import KafkaAppConfig, create_app, raw_table, raw_topic
from stepwell.streams.kafka.running import run_app

PARTITIONS = 4
VALUE = b"x" * 200
KEYS = 1_000
COMMIT_INTERVAL_MS = 50
"""Short beside what is measured, which ends with a commit."""
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": str(4 * 1024 * 1024),
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
}
RETAINED = {"retention.bytes": str(4 * 1024 * 1024), "segment.bytes": str(1024 * 1024)}

Figures = dict[str, float]


async def create(bootstrap: str, configs: dict[str, str] | None = None) -> str:
    """A new topic."""
    name = f"bench-{secrets.token_hex(4)}"
    await _create_named(bootstrap, name, configs or {})
    return name


async def _create_named(bootstrap: str, name: str, configs: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=configs)])
    finally:
        await admin.close()


@asynccontextmanager
async def producer(bootstrap: str, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that waits for all acknowledgements."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **settings) as sending:
        yield sending


async def fill(bootstrap: str, topic: str, count: int, keys: int = KEYS) -> float:
    """Send so many records, evenly over the partitions; the seconds until all are acknowledged."""
    async with producer(bootstrap, linger_ms=5) as sending:
        for partition in range(PARTITIONS):  # a new topic may need a moment
            await sending.send_and_wait(topic, VALUE, b"first", partition)
        began = time.perf_counter()
        for number in range(count):
            key = b"key-%d" % (number % keys)
            await sending.send(topic, VALUE, key, number % PARTITIONS)
        await sending.flush()
        return time.perf_counter() - began


async def throughput(bootstrap: str, messages: int) -> Figures:
    """Messages per second, in and then out."""
    topic = await create(bootstrap)
    sending_s = await fill(bootstrap, topic, messages)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        read, began = 0, time.perf_counter()
        while read < messages:
            read += sum(map(len, (await consumer.getmany(timeout_ms=1_000)).values()))
        reading_s = time.perf_counter() - began
    return {"produce_per_s": messages / sending_s, "consume_per_s": messages / reading_s}


async def latencies(bootstrap: str, samples: int) -> Figures:
    """Milliseconds of one record at a time: until acknowledged, and until consumed."""
    topic = await create(bootstrap)
    acks, trips = list[float](), list[float]()
    async with (
        producer(bootstrap) as sending,
        AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer,
    ):
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        for sample in range(samples + samples // 10):
            began = time.perf_counter()
            sent = await sending.send(topic, VALUE, partition=0)
            await consumer.getone()
            trips.append(_since_ms(began))
            await sent
            began = time.perf_counter()
            await sending.send_and_wait(topic, VALUE, partition=1)
            if sample >= samples // 10:  # what comes before is to warm up
                acks.append(_since_ms(began))
    return _percentiles("ack", acks) | _percentiles("round_trip", trips[samples // 10 :])


async def faust(bootstrap: str, folder: Path, events: int) -> Figures:
    """Events per second through a worker of ours with a table, until the last one is committed."""
    source, name = await create(bootstrap), f"bench-{secrets.token_hex(4)}"
    await _create_named(bootstrap, f"{name}-changelog", {"cleanup.policy": "compact"})
    await fill(bootstrap, source, events)
    config = KafkaAppConfig(
        bootstrap, name, PARTITIONS, data_dir=folder, commit_interval_ms=COMMIT_INTERVAL_MS
    )
    app = create_app(config)
    table = raw_table(app, "rows", changelog=f"{name}-changelog")
    stop, recovered = asyncio.Event(), asyncio.Event()

    @app.agent(raw_topic(app, source), name="count", concurrency=1)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            table.put(message.partition, message.key, b"%d" % message.offset)

    @app.on_recovered
    async def ready(_: frozenset[int]) -> None:
        recovered.set()

    running = asyncio.create_task(run_app(app, stop))
    await recovered.wait()
    began = time.perf_counter()
    await _until_committed(bootstrap, name, source, events + PARTITIONS)
    seconds = time.perf_counter() - began
    stop.set()
    await running
    return {"faust_events_per_s": events / seconds}


async def _until_committed(bootstrap: str, group: str, topic: str, total: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    committed = 0
    while committed < total:
        await asyncio.sleep(0.02)
        offsets = await admin.list_consumer_group_offsets(group)
        committed = sum(found.offset for tp, found in offsets.items() if tp.topic == topic)
    await admin.close()


async def stalls(
    bootstrap: str, pid: int, data: Path, *, megabytes: int, seconds: float
) -> Figures:
    """The slowest acknowledgements while compaction and retention run on so many megabytes."""
    topics = [await create(bootstrap, configs) for configs in (COMPACTED, RETAINED)]
    for topic in topics if megabytes else ():
        await fill(bootstrap, topic, megabytes * 1024 * 1024 // len(topics) // len(VALUE))
    await _end_last_segments(bootstrap, topics)
    before = _sizes(data, topics)
    figures = await _slowest(bootstrap, pid, lambda: _shrunk(data, before), seconds)
    if megabytes:
        after = _sizes(data, topics)
        figures |= {"mb_before": _mb(before.values()), "mb_after": _mb(after.values())}
    return figures


async def _end_last_segments(bootstrap: str, topics: list[str]) -> None:
    """One more record each, when they are older than `segment.ms`."""
    await asyncio.sleep(1.1)
    async with producer(bootstrap) as sending:
        for topic in topics:
            for partition in range(PARTITIONS):
                await sending.send_and_wait(topic, VALUE, b"last", partition)


async def _slowest(bootstrap: str, pid: int, done: Callable[[], bool], seconds: float) -> Figures:
    """One acknowledgement after the other, until done, and a little longer.

    On a busy machine the slowest ones tell who else was running: the second maximum leaves out the
    time in which this process or the broker's main thread was ready to run, but did not.
    """
    topic, times, own = await create(bootstrap), list[float](), list[float]()
    await fill(bootstrap, topic, 0)
    async with producer(bootstrap) as sending:
        deadline = time.perf_counter() + seconds
        while (now := time.perf_counter()) < deadline:
            waited_ms = _cpu_wait_ms(pid)
            await sending.send_and_wait(topic, VALUE, partition=len(times) % PARTITIONS)
            times.append(_since_ms(now))
            own.append(max(0.0, times[-1] - (_cpu_wait_ms(pid) - waited_ms)))
            await asyncio.sleep(0.001)
            if len(times) % 1_000 == 0 and done():
                deadline = min(deadline, now + 2)
    maxima = {"ack_max_ms": max(times), "ack_max_without_cpu_wait_ms": max(own)}
    maxima = {name: round(value, 2) for name, value in maxima.items()}
    return _percentiles("ack", times) | maxima | {"acks": len(times)}


def _cpu_wait_ms(pid: int) -> float:
    """How long the main threads of the broker and of this process have waited for a CPU."""
    files = (Path(f"/proc/{one}/schedstat") for one in (pid, "self"))
    return sum(int(file.read_text().split()[1]) for file in files) / 1_000_000


def _shrunk(data: Path, before: dict[str, int]) -> bool:
    """Whether most of every topic is gone."""
    return all(size < before[topic] / 3 for topic, size in _sizes(data, before).items())


def _sizes(data: Path, topics: Any) -> dict[str, int]:
    """Bytes of each topic's segments on disk."""
    files = [path for path in data.rglob("*.log") if not path.name.startswith(".")]
    return {
        topic: sum(path.stat().st_size for path in files if topic in str(path) and path.exists())
        for topic in topics
    }


def _mb(sizes: Any) -> float:
    return round(sum(sizes) / 1024 / 1024, 1)


def _since_ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _percentiles(name: str, times: list[float]) -> Figures:
    ordered = sorted(times)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return {f"{name}_p50_ms": round(p50, 3), f"{name}_p99_ms": round(p99, 3)}
