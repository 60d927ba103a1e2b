"""Models of any shape export and match a forward pass that shares nothing with the graph."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from stepwell.models.architecture import read_architecture
from stepwell.models.export import export_model
from stepwell.models.model import load_model
from stepwell.models.reference import reference_vector
from stepwell.models.weights import read_weights

TEXTS = ["done", "twice", "done twice", "", "a+b", "some longer text, with 42 (words)", "x " * 50]
FAMILIES = ["bert", "distilbert", "xlm-roberta", "roberta", "camembert"]
WORDS = "embeddings.word_embeddings.weight"
SEGMENTS = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True)
class Shape:
    """A model as somebody might publish it."""

    family: str
    layers: int
    heads: int
    size: int
    inner: int
    pooling: str
    prefix: str
    config: dict[str, Any] = field(default_factory=dict)
    segments: int = 2
    spare_words: int = 0

    def tensors(self, weights):
        """Names below a task's head, spare rows for words, heads that are of no use here."""
        random = np.random.default_rng(7)
        if self.family != "distilbert":
            del weights[SEGMENTS]
            if self.segments:
                weights[SEGMENTS] = random.normal(size=(self.segments, self.size))
        spare = random.normal(size=(self.spare_words, self.size))
        weights[WORDS] = np.concatenate([weights[WORDS], spare])
        weights = {self.prefix + name: it.astype(np.float32) for name, it in weights.items()}
        if self.prefix:
            weights["lm_head.dense.weight"] = np.ones((2, 2), np.float32)
            weights["pooler.dense.weight"] = np.ones((2, 2), np.float32)
            weights[f"{self.prefix}embeddings.position_ids"] = np.arange(40)[None]
        return weights


def drawn(seed: int) -> Shape:
    random = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    heads = int(random.integers(1, 8))
    segments = int(random.integers(0, 3))
    config: dict[str, Any] = {"type_vocab_size": segments}
    if family != "distilbert":
        config["layer_norm_eps"] = float(random.choice([1e-12, 1e-7, 1e-5, 1e-2]))
        config["hidden_act"] = str(random.choice(["gelu", "gelu_new", "relu", "silu"]))
    if family in ("xlm-roberta", "roberta", "camembert"):
        config["pad_token_id"] = int(random.integers(0, 4))
    return Shape(
        family=family,
        layers=int(random.integers(1, 5)),
        heads=heads,
        size=heads * int(random.integers(1, 9)),
        inner=int(random.integers(1, 50)),
        pooling=str(random.choice(["mean", "cls"])),
        prefix=str(random.choice(["", "bert.", "model.", "roberta.", "0.auto_model."])),
        config=config,
        segments=segments,
        spare_words=int(random.integers(0, 9)),
    )


@pytest.mark.parametrize("seed", range(30))
def test_vectors_are_those_of_the_reference_alone_and_in_batches(make_source, tmp_path, seed):
    shape = drawn(seed)
    source = make_source(
        family=shape.family,
        layers=shape.layers,
        heads=shape.heads,
        size=shape.size,
        inner=shape.inner,
        seed=seed,
        tensors=shape.tensors,
        config=shape.config,
        pooling={"pooling_mode": shape.pooling},
    )
    architecture = read_architecture(source)
    export_model(source, tmp_path / "model", architecture=architecture, name="drawn")
    model = load_model(tmp_path / "model")
    weights = read_weights(source, architecture)
    expected = [reference_vector(weights, architecture, it.ids) for it in model.tokenise(TEXTS)]
    alone = np.concatenate([model.vectors([text]) for text in TEXTS])
    assert np.abs(alone - np.array(expected)).max() < 1e-5
    assert np.array_equal(model.vectors(TEXTS * 3), np.tile(alone, (3, 1)))


def test_the_drawn_shapes_differ():
    shapes = [drawn(seed) for seed in range(30)]
    assert {it.family for it in shapes} == set(FAMILIES)
    assert any(it.heads % 2 for it in shapes)
    assert any(it.size % 2 for it in shapes)
    assert {it.pooling for it in shapes} == {"mean", "cls"}
    assert any(not it.segments for it in shapes if it.family != "distilbert")
    assert all(math.gcd(it.size, it.heads) == it.heads for it in shapes)
