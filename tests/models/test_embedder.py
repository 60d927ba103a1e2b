"""The embedder: one model for all callers of a process."""

import asyncio
import json
import threading

import numpy as np
import pytest

from stepwell.models import Embedder, EmptyText, TextRefused
from stepwell.models.errors import BadVector, EmbedderClosed
from stepwell.models.model import Model, load_model

TEXTS = [f"{'done ' * (number % 5)}text {number}" for number in range(60)]


@pytest.fixture
def model(tiny_model) -> Model:
    return load_model(tiny_model)


@pytest.fixture
def embedder(model):
    with Embedder(model, threads=2) as embedder:
        yield embedder


def test_it_says_which_model_it_is(embedder, model):
    assert embedder.model_id == model.manifest.model_id
    assert embedder.model_id.startswith("tiny@")
    assert embedder.dimension == 16


async def test_a_vector_is_normalised_float32(embedder):
    vector = await embedder.embed("done")
    assert vector.shape == (16,)
    assert vector.dtype == np.float32
    assert np.isclose(np.linalg.norm(vector), 1)


async def test_a_vector_is_bitwise_the_same_whatever_it_was_batched_with(embedder, model):
    together = await asyncio.gather(*(embedder.embed(text) for text in TEXTS))
    alone = [model.vectors([text])[0] for text in TEXTS]
    assert np.array_equal(together, alone)


def test_many_texts_keep_their_order(embedder, model):
    texts = TEXTS * 20  # more than are sent ahead
    assert np.array_equal(embedder.embed_texts(texts), np.tile(model.vectors(TEXTS), (20, 1)))


def test_no_texts_give_no_vectors(embedder):
    assert embedder.embed_texts([]).shape == (0, 16)


async def test_the_event_loop_never_runs_the_model(model):
    threads = set()

    class Watched(Model):
        def run(self, batch):
            threads.add(threading.current_thread())
            return super().run(batch)

        def tokenise(self, texts):
            threads.add(threading.current_thread())
            return super().tokenise(texts)

    model.__class__ = Watched
    with Embedder(model) as embedder:
        await asyncio.gather(*(embedder.embed(text) for text in TEXTS))
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parametrize("text", ["", "   ", "\n\t \u3000"])
async def test_an_empty_text_has_no_vector(embedder, text):
    with pytest.raises(EmptyText, match="the text is empty or only whitespace"):
        await embedder.embed(text)


def test_an_empty_text_among_many_is_named(embedder):
    with pytest.raises(EmptyText, match="text 2 is empty"):
        embedder.embed_texts(["done", "twice", " "])


async def test_half_a_surrogate_pair_is_no_text(embedder):
    with pytest.raises(TextRefused, match="no valid Unicode"):
        await embedder.embed("done \ud83d")


async def test_control_characters_and_a_megabyte_are_embedded_and_truncation_is_counted(embedder):
    assert (await embedder.embed("\x00\x07\x1b[0m")).shape == (16,)
    assert embedder.texts_truncated == 0
    assert (await embedder.embed("done " * 200_000)).shape == (16,)
    assert embedder.texts_truncated == 1


async def test_a_text_whose_vector_is_nan_fails_only_its_own_caller(make_source, export_tiny):
    def poison(weights):
        weights["embeddings.word_embeddings.weight"][4] = np.nan
        return weights

    source = make_source(tensors=poison)
    directory = export_tiny(source, source.parent / "model")
    texts = ["done", "poison", "twice", "a", "b"]
    with Embedder.load(directory, threads=1) as embedder:
        found = await asyncio.gather(*map(embedder.embed, texts), return_exceptions=True)
        with pytest.raises(BadVector, match="NaN"):
            embedder.embed_texts(texts)
    assert [type(it) for it in found] == [np.ndarray, BadVector, *[np.ndarray] * 3]


@pytest.fixture
def bare_model(make_source, export_tiny) -> Model:
    """Its tokenizer adds nothing, so a text of control characters has no tokens at all."""
    source = make_source("bare")
    path = source / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    return load_model(export_tiny(source, source.parent / "bare-model"))


async def test_a_text_of_no_tokens_fails_only_its_own_caller(bare_model):
    with Embedder(bare_model, threads=1) as embedder:
        texts = ["done", "\x00", "twice", "\x00"]
        found = await asyncio.gather(*map(embedder.embed, texts), return_exceptions=True)
        assert [type(it) for it in found] == [np.ndarray, EmptyText] * 2
        with pytest.raises(EmptyText, match="no tokens"):
            await embedder.embed_bulk("\x00")
        assert np.array_equal(found[0], await embedder.embed("done"))


async def test_a_query_of_no_tokens_is_refused_and_later_ones_are_not(bare_model):
    with Embedder(bare_model, threads=1) as embedder:
        with pytest.raises(EmptyText, match="no tokens"):
            await embedder.embed_query("\x00")
        assert (await embedder.embed_query("done")).shape == (16,)


def test_a_model_refuses_a_text_of_no_tokens(bare_model):
    with pytest.raises(EmptyText, match="no tokens"):
        bare_model.vectors(["done", "\x00"])


async def test_a_cancelled_caller_disturbs_nobody(embedder):
    tasks = [asyncio.create_task(embedder.embed(text)) for text in TEXTS]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(it, np.ndarray) for it in found[1::2])


def test_event_loops_and_threads_may_share_it(embedder, model):
    expected = model.vectors(TEXTS)
    found = []

    async def all_texts():
        return await asyncio.gather(*(embedder.embed(text) for text in TEXTS))

    threads = [
        threading.Thread(target=lambda: found.append(asyncio.run(all_texts()))),
        threading.Thread(target=lambda: found.append(embedder.embed_texts(TEXTS))),
        threading.Thread(target=lambda: found.append(asyncio.run(all_texts()))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(np.array_equal(vectors, expected) for vectors in found)


async def test_a_closed_embedder_says_so(embedder):
    embedder.close()
    embedder.close()
    with pytest.raises(EmbedderClosed, match="closed"):
        await embedder.embed("done")


async def test_the_passage_prefix_of_the_model_is_put_before_every_text(make_source, export_tiny):
    source = make_source()
    (source / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "q: ", "passage": "done "}}'
    )
    with Embedder.load(export_tiny(source, source.parent / "model")) as embedder:
        bare = load_model(source.parent / "model").vectors(["done twice"])[0]
        assert np.array_equal(await embedder.embed("twice"), bare)
