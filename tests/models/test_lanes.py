"""Bulk work gives way to queries, and both run on one session."""

import asyncio
import os
import sys
import threading

import numpy as np
import pytest

from stepwell.models import Embedder, EmptyText
from stepwell.models.errors import EmbedderClosed
from stepwell.models.lanes import bulk_threads, query_thread, text_threads
from stepwell.models.model import Model, load_model

TIMEOUT_S = 10


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class Gated(Model):
    """Runs of bulk threads wait at a gate."""

    gate: threading.Event
    running: threading.Event

    def run(self, batch):
        if threading.current_thread().name.startswith("stepwell-embed"):
            self.running.set()
            assert self.gate.wait(TIMEOUT_S)
        return super().run(batch)


@pytest.fixture
def model(tiny_model) -> Model:
    return load_model(tiny_model)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_texts_give_way_to_queries_and_bulk_work_to_both():
    before = niceness()
    with text_threads(1) as texts, bulk_threads(1) as bulk, query_thread() as query:
        assert texts.submit(niceness).result(TIMEOUT_S) == min(before + 10, 19)
        assert bulk.submit(niceness).result(TIMEOUT_S) == 19
        assert query.submit(niceness).result(TIMEOUT_S) == before
    assert niceness() == before


async def test_a_query_does_not_wait_for_bulk_work(model):
    model.__class__ = Gated
    model.gate, model.running = threading.Event(), threading.Event()
    with Embedder(model, threads=1) as embedder:
        bulk = [asyncio.create_task(embedder.embed("done twice")) for _ in range(5)]
        await asyncio.to_thread(model.running.wait, TIMEOUT_S)
        async with asyncio.timeout(TIMEOUT_S):
            query = await embedder.embed_query("done twice")
        assert not any(task.done() for task in bulk)
        model.gate.set()
        assert np.array_equal(await asyncio.gather(*bulk), [query] * 5)


async def test_the_query_prefix_of_the_model_is_put_before_a_query(make_source, export_tiny):
    source = make_source()
    (source / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "done ", "passage": "p: "}}'
    )
    directory = export_tiny(source, source.parent / "model")
    bare = load_model(directory).vectors(["done twice"])[0]
    with Embedder.load(directory) as embedder:
        assert np.array_equal(await embedder.embed_query("twice"), bare)
        assert np.array_equal(embedder.submit_query("twice").result(TIMEOUT_S), bare)


async def test_an_empty_query_has_no_vector(model):
    with Embedder(model) as embedder, pytest.raises(EmptyText, match="the query is empty"):
        await embedder.embed_query(" ")


async def test_queries_that_wait_are_answered_before_the_embedder_closes(model):
    expected = model.vectors(["done"])[0]
    with Embedder(model) as embedder:
        waiting = [embedder.submit_query("done") for _ in range(20)]
    assert all(np.array_equal(future.result(TIMEOUT_S), expected) for future in waiting)


async def test_a_closed_embedder_takes_no_query(model):
    embedder = Embedder(model)
    embedder.close()
    with pytest.raises(EmbedderClosed):
        await embedder.embed_query("done")
