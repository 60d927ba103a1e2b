"""The local bindings: deterministic, and in their answers like the real ones."""

import sqlite3

import numpy as np
import pytest

from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.bindings.database import SqliteDatabase
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.bindings.errors import RefusedByService
from stepwell.streams.bindings.language import LocalModel, Question, first_sentence
from stepwell.streams.bindings.notifier import Outbox
from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.blobs import BlobRef, BlobUnreadable


async def test_texts_with_the_same_words_are_near_each_other():
    embedder = WordEmbedder()
    cat, cats, rain = [
        await embedder.embed(text)
        for text in ("the cat sat on the mat", "a cat on a mat", "rain in Spain")
    ]
    assert cat @ cats > cat @ rain
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-6)
    assert cat.dtype == np.float32
    assert (await embedder.embed("")).any()


async def test_a_local_model_answers_with_its_function():
    model = LocalModel(first_sentence)
    assert await model.answer(Question("It rains. It pours.")) == "It rains."


async def test_a_local_source_has_its_pages_only():
    source = LocalSource.of({"https://a.example/": "hello"})
    assert (await source.fetch("https://a.example/")).text() == "hello"
    with pytest.raises(RefusedByService, match="404"):
        await source.fetch("https://b.example/")


async def test_a_message_that_is_sent_again_is_one_message():
    outbox = Outbox()
    await outbox.send("Hello.", key="1", to="ada")
    await outbox.send("Hello.", key="1", to="ada")
    await outbox.send("Bye.", key="2", to="ada")
    assert outbox.texts == ["Hello.", "Bye."]


async def test_rows_are_written_all_or_none():
    database = SqliteDatabase(schema="CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with pytest.raises(sqlite3.IntegrityError):
        await database.execute_many("INSERT INTO t VALUES (?)", [(1,), (2,), (1,)])
    assert await database.query("SELECT * FROM t") == []
    await database.execute_many("INSERT INTO t VALUES (?)", [(1,), (2,)])
    assert await database.query("SELECT id FROM t WHERE id > ?", 1) == [{"id": 2}]
    database.close()


async def test_blobs_are_kept_under_their_hash():
    blobs = MemoryBlobStore()

    async def chunks():
        yield b"a"
        yield b"b"

    ref = await blobs.put(b"ab")
    assert await blobs.put(chunks()) == ref
    assert await blobs.get(ref) == b"ab"
    with pytest.raises(BlobUnreadable):
        await blobs.get(BlobRef("0" * 64, 2))
