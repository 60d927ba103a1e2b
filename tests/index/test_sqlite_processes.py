"""Several processes on one file, and processes that are killed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stepwell.streams.index.factory import open_index
from tests.index.sqlite_writer import BATCH, DIMENSION, KEYS, VERSIONS, at

WRITER = Path(__file__).with_name("sqlite_writer.py")


def writer(path, *arguments):
    command = [sys.executable, WRITER, path, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def reopened(path):
    return await open_index(f"sqlite:{path}", "Shared", DIMENSION)


@pytest.mark.slow
async def test_processes_that_write_the_same_documents_leave_the_newest(tmp_path):
    writers = [writer(tmp_path / "index.db", "race", str(seed)) for seed in range(3)]
    assert [await asyncio.to_thread(one.wait, 120) for one in writers] == [0, 0, 0]
    index = await reopened(tmp_path / "index.db")
    hits = await index.search_words("title", limit=1000)
    assert {hit.document.key: hit.document.updated_at for hit in hits} == {
        f"k{number}": at(VERSIONS - 1) for number in range(0, KEYS, 2)
    }
    await check(index)
    await index.close()


@pytest.mark.parametrize("batches", [1, 3, 8, 20])
async def test_a_killed_writer_leaves_what_was_answered_and_nothing_half_done(tmp_path, batches):
    path = tmp_path / "index.db"
    with writer(path, "forever") as process:
        answered = [process.stdout.readline() for _ in range(batches)]
        process.send_signal(signal.SIGKILL)
        answered += process.stdout.readlines()
    complete = [line for line in answered if line.endswith("\n")]
    assert [line.split() for line in complete] == [
        [str(batch), str(BATCH)] for batch in range(len(complete))
    ]
    index = await reopened(path)
    count = await index.count()
    assert count >= BATCH * (len(complete) + 1) // 2
    assert count % (BATCH // 2) == 0  # a batch is there as a whole or not at all
    await check(index)
    await index.close()


async def check(index):
    """Whatever the file says in several places, it says alike."""
    assert await index._call(integrity) == "ok"
    count = await index.count()
    hits = await index.search_words("title", limit=1000)
    assert len(hits) == min(count, 1000)
    for hit in hits[:5]:
        found = await index.search(await vector_of(index, hit.document.key), limit=1)
        assert found[0].document == hit.document
    counts = await index._call(rows)
    assert counts == [count] * len(counts)


def integrity(file):
    file.execute("INSERT INTO words(words) VALUES ('integrity-check')")
    return file.execute("PRAGMA integrity_check").get


def rows(file):
    codes = b"".join(blob for (blob,) in file.execute("SELECT codes FROM codes ORDER BY chunk"))
    there = sum(codes[start] for start in range(0, len(codes), 16))
    tables = ("vectors", "labels", "words")
    return [there, *(file.execute(f"SELECT count(*) FROM {table}").get for table in tables)]


async def vector_of(index, key):
    statement = "SELECT vector FROM vectors JOIN documents USING (id) WHERE key = ?"
    blob = await index._call(lambda file: file.execute(statement, (key,)).get)
    return np.frombuffer(blob, np.float32)
