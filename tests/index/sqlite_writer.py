"""A process that writes an index in a file, for tests that run several or kill one.

python sqlite_writer.py PATH race SEED    upsert and remove the same keys in an order of its own
python sqlite_writer.py PATH forever      upsert batch after batch; prints each that was answered
"""

import asyncio
import itertools
import random
import sys
import zlib

import numpy as np

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.index.factory import open_index
from stepwell.streams.ports import VectorIndex, WriteStatus

DIMENSION = 8
KEYS = 20
VERSIONS = 10
BATCH = 50


def at(version: int) -> str:
    return f"2026-03-01T10:00:{version:02}Z"


def embedded(key: str, version: int = 0) -> Embedded:
    document = Document(
        key, "issue", "r", 1, f"title {key}", f"v{version}", "open", "u", at(version), ("bug",)
    )
    vector = (
        np.random.default_rng(zlib.crc32(key.encode()))
        .standard_normal(DIMENSION)
        .astype(np.float32)
    )
    return Embedded(document, vector, "m")


async def race(index: VectorIndex, seed: int) -> None:
    """Even keys end with an upsert, odd ones with a removal."""
    chance = random.Random(seed)
    writes = list(itertools.product(range(KEYS), range(VERSIONS)))
    chance.shuffle(writes)
    for number, version in writes:
        if number % 2 and version == VERSIONS - 1:
            await index.remove([Removal(f"k{number}", at(version))])
        else:
            await index.upsert([embedded(f"k{number}", version)])


async def forever(index: VectorIndex) -> None:
    """Half of each batch is new, half of it replaces documents of the batch before."""
    for batch in itertools.count():
        numbers = range(batch * BATCH // 2, batch * BATCH // 2 + BATCH)
        outcomes = await index.upsert([embedded(f"k{number}", batch % 60) for number in numbers])
        stored = [outcome.status is WriteStatus.STORED for outcome in outcomes]
        print(batch, sum(stored), flush=True)


async def main(path: str, what: str, *arguments: str) -> None:
    index = await open_index(f"sqlite:{path}", "Shared", DIMENSION)
    if what == "race":
        await race(index, int(arguments[0]))
    else:
        await forever(index)
    await index.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
