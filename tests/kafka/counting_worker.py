"""A worker process for tests that kill or freeze it: counts events by key into a table.

    python counting_worker.py BOOTSTRAP APP_ID SOURCE CHANGELOG PARTITIONS STORE DATA_DIR PAUSE_MS

A row holds the count and the offset of the last event counted, so that an event that comes again is
not counted again. It pauses within each event if told to. It ends on SIGTERM.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

from stepwell.streams.kafka.app import KafkaAppConfig, create_app, raw_table, raw_topic
from stepwell.streams.kafka.running import run_app


def parse_row(value: bytes) -> tuple[int, int]:
    """The count and the offset of the last event counted."""
    count, offset = value.split()
    return int(count), int(offset)


async def main(arguments: list[str]) -> None:
    bootstrap, app_id, source, changelog, partitions, store, data_dir, pause_ms = arguments
    config = KafkaAppConfig(
        bootstrap=bootstrap,
        app_id=app_id,
        partitions=int(partitions),
        store="rocksdb" if store == "rocksdb" else "memory",
        data_dir=Path(data_dir),
        commit_interval_ms=20,
        session_timeout_ms=1500,
        heartbeat_interval_ms=300,
    )
    app, stop = create_app(config), asyncio.Event()
    table = raw_table(app, "counts", changelog=changelog)

    @app.agent(raw_topic(app, source), name="count", concurrency=1)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            row = table.row(message.partition, message.key)
            counted, last = parse_row(row) if row is not None else (0, -1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), int(pause_ms) / 1000)
            if message.offset > last:
                table.put(message.partition, message.key, b"%d %d" % (counted + 1, message.offset))

    @app.on_recovered
    async def ready(_: frozenset[int]) -> None:
        print("ready", flush=True)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_app(app, stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
