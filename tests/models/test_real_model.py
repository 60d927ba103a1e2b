"""all-MiniLM-L6-v2 gives the vectors of sentence-transformers, whatever a text is batched with."""

import asyncio
import json

import numpy as np
import pytest

from stepwell.models import Embedder, pull, verify
from stepwell.models.model import load_model
from stepwell.models.presets import ALL_MINILM_L6_V2

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def reference(shared_data):
    folder = shared_data / "reference"
    return json.loads((folder / "texts.json").read_text()), np.load(folder / "vectors.npy")


def test_it_is_what_the_preset_pins(real_model):
    manifest = load_model(real_model).manifest
    assert manifest.made_from == ALL_MINILM_L6_V2.files
    assert manifest.model_id == "all-MiniLM-L6-v2@53aa51172d14"
    assert (manifest.dimension, manifest.max_tokens) == (384, 256)


def test_every_text_of_the_reference_agrees(real_model, reference):
    report = verify(real_model, reference)
    assert report.texts == 272
    assert report.max_abs_diff < 1e-5
    assert report.min_cosine >= 0.99999
    assert report.batched_equals_alone


async def test_callers_that_meet_in_the_batcher_get_the_vectors_of_the_reference(
    real_model, reference
):
    texts, vectors = reference
    chosen = [position for position, text in enumerate(texts) if text.strip()][::4]
    with Embedder.load(real_model) as embedder:
        found = await asyncio.gather(*(embedder.embed(texts[it]) for it in chosen))
        assert np.abs(np.array(found) - vectors[chosen]).max() < 1e-5
        assert np.array_equal(found, embedder.embed_texts([texts[it] for it in chosen]))


def test_related_texts_are_closer_than_others(real_model):
    with Embedder.load(real_model) as embedder:
        crash, freeze, cake = embedder.embed_texts(
            ["The app crashes at login", "Program dies when I sign in", "A recipe for carrot cake"]
        )
    assert crash @ freeze > 2 * abs(crash @ cake)


def test_pulling_it_again_does_nothing(real_model):
    lines: list[str] = []
    pull(ALL_MINILM_L6_V2, real_model, report=lines.append)
    assert lines == [f"{real_model}: already there"]
