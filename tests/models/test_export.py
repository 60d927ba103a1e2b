"""An exported model gives the vectors of the published one, whatever its family and shape."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from safetensors.numpy import load_file

from stepwell.models.architecture import read_architecture
from stepwell.models.errors import FileDamaged
from stepwell.models.graph import build_graph
from stepwell.models.model import load_model
from stepwell.models.weights import read_weights
from tests.models.tiny import VOCABULARY

TEXTS = ["done", "twice", "done twice", "", "a+b", "some longer text, with 42 (words)", "x " * 50]


def gelu(inputs: np.ndarray) -> np.ndarray:
    return inputs * np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(inputs)


def gelu_tanh(inputs: np.ndarray) -> np.ndarray:
    return inputs / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (inputs + 0.044715 * inputs**3)))


def relu(inputs: np.ndarray) -> np.ndarray:
    return np.where(inputs > 0, inputs, 0)


def silu(inputs: np.ndarray) -> np.ndarray:
    return inputs / (1 + np.exp(-inputs))


def vectors_by_hand(
    source: Path,
    ids: np.ndarray,
    *,
    heads: int,
    activate: Callable[[np.ndarray], np.ndarray] = gelu,
    positions: Sequence[int] | None = None,
) -> np.ndarray:
    """BERT, mean pooling, in float64: shares nothing with the product."""
    tensors = {
        name: it.astype(np.float64) for name, it in load_file(source / "model.safetensors").items()
    }

    def norm(states, name):
        centred = states - states.mean(-1, keepdims=True)
        states = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-12)
        return states * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def linear(states, name):
        return states @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    states = tensors["embeddings.word_embeddings.weight"][ids]
    rows = range(len(ids)) if positions is None else positions
    states = states + tensors["embeddings.position_embeddings.weight"][rows]
    states = norm(
        states + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    layer, size = 0, states.shape[1] // heads
    while f"encoder.layer.{layer}.output.dense.weight" in tensors:
        name = f"encoder.layer.{layer}."
        query, key, value = (
            linear(states, f"{name}attention.self.{it}") for it in ("query", "key", "value")
        )
        attended = np.empty_like(states)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            weights = np.exp(query[:, part] @ key[:, part].T / math.sqrt(size))
            attended[:, part] = weights / weights.sum(1, keepdims=True) @ value[:, part]
        attended = linear(attended, f"{name}attention.output.dense")
        states = norm(states + attended, f"{name}attention.output.LayerNorm")
        inner = activate(linear(states, f"{name}intermediate.dense"))
        states = norm(states + linear(inner, f"{name}output.dense"), f"{name}output.LayerNorm")
        layer += 1
    return states.mean(0) / np.linalg.norm(states.mean(0))


@pytest.mark.parametrize(
    ("layers", "heads", "size"), [(1, 1, 8), (2, 2, 16), (3, 3, 30), (1, 4, 64)]
)
def test_vectors_are_those_computed_by_hand(make_source, export_tiny, layers, heads, size):
    source = make_source(layers=layers, heads=heads, size=size)
    model = load_model(export_tiny(source, source.parent / "model"))
    by_hand = [vectors_by_hand(source, it.ids, heads=heads) for it in model.tokenise(TEXTS)]
    assert np.abs(model.vectors(TEXTS) - by_hand).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "activate"),
    [
        ("gelu_accurate", gelu_tanh),
        ("gelu_python_tanh", gelu_tanh),
        ("relu", relu),
        ("silu", silu),
        ("swish", silu),
    ],
)
def test_other_activations(make_source, export_tiny, name, activate):
    source = make_source(config={"hidden_act": name})
    model = load_model(export_tiny(source, source.parent / "model"))
    for tokens, found in zip(model.tokenise(TEXTS), model.vectors(TEXTS), strict=True):
        by_hand = vectors_by_hand(source, tokens.ids, heads=2, activate=activate)
        assert np.abs(found - by_hand).max() < 1e-5
        assert np.abs(found - vectors_by_hand(source, tokens.ids, heads=2)).max() > 1e-5


@pytest.mark.parametrize("padding", ["[PAD]", "[CLS]", "[SEP]", "done"])
@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "camembert"])
def test_padding_within_a_text_takes_no_position(make_source, export_tiny, family, padding):
    """It may be an ordinary word, or stand around every text: the config says which id it has."""
    number = VOCABULARY.index(padding)
    config = {"pad_token_id": number, "layer_norm_eps": 1e-12}
    source = make_source(family=family, config=config)
    tokenizer = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.add_special_tokens(VOCABULARY[:4])
    tokenizer.save(str(source / "tokenizer.json"))
    model = load_model(export_tiny(source, source.parent / "model"))
    texts = [*TEXTS, "[PAD]", "a [PAD] b [PAD][PAD] c", "a done b done"]
    for tokens, found in zip(model.tokenise(texts), model.vectors(texts), strict=True):
        positions, at = [], number
        for token in tokens.ids:
            at += token != number
            positions.append(number if token == number else at)
        by_hand = vectors_by_hand(source, tokens.ids, heads=2, positions=positions)
        assert np.abs(found - by_hand).max() < 1e-5
    alone = np.concatenate([model.vectors([text]) for text in texts])
    assert np.array_equal(model.vectors(texts * 5), np.tile(alone, (5, 1)))


@pytest.mark.parametrize("family", ["bert", "distilbert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_every_family_exports_and_batches_bitwise(make_source, export_tiny, family, pooling):
    source = make_source(family=family, pooling={"pooling_mode": pooling})
    model = load_model(export_tiny(source, source.parent / "model"))
    alone = np.concatenate([model.vectors([text]) for text in TEXTS])
    assert np.array_equal(model.vectors(TEXTS * 30), np.tile(alone, (30, 1)))


RENAMED = {
    "encoder.layer": "transformer.layer",
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def test_distilbert_is_bert_under_other_names_and_without_token_types(make_source, export_tiny):
    def renamed(_weights):
        weights = load_file(bert / "model.safetensors")
        types = weights.pop("embeddings.token_type_embeddings.weight")
        weights["embeddings.position_embeddings.weight"] += types[0]
        for old, new in RENAMED.items():
            weights = {name.replace(old, new): it for name, it in weights.items()}
        return weights

    bert = make_source("bert", config={"hidden_act": "relu"})
    config = {"activation": "relu"}
    distilbert = make_source("distilbert", family="distilbert", tensors=renamed, config=config)
    assert same_vectors(export_tiny, bert, distilbert)


def test_xlm_roberta_is_bert_with_positions_that_follow_the_padding(make_source, export_tiny):
    def shifted(_weights):
        weights = load_file(bert / "model.safetensors")
        name = "embeddings.position_embeddings.weight"
        weights[name] = np.roll(weights[name], 2, axis=0)
        return weights

    bert = make_source("bert")
    config = {"layer_norm_eps": 1e-12}
    roberta = make_source("roberta", family="xlm-roberta", tensors=shifted, config=config)
    assert same_vectors(export_tiny, bert, roberta)


def test_weights_saved_below_a_task_head_are_found(make_source, export_tiny):
    def nested(weights):
        return {f"bert.{name}": it for name, it in weights.items()} | {"cls.bias": np.zeros(1)}

    assert same_vectors(export_tiny, make_source("bare"), make_source("nested", tensors=nested))


def test_half_precision_weights_are_widened(make_source, export_tiny):
    def halved(weights):
        return {name: it.astype(np.float16) for name, it in weights.items()}

    def rounded(weights):
        return {name: it.astype(np.float16).astype(np.float32) for name, it in weights.items()}

    half, full = make_source("half", tensors=halved), make_source("full", tensors=rounded)
    assert same_vectors(export_tiny, half, full)


def same_vectors(export_tiny, source: Path, other: Path) -> bool:
    models = [load_model(export_tiny(it, it.parent / f"{it.name}-model")) for it in (source, other)]
    vectors = [model.vectors(TEXTS) for model in models]
    return bool(np.abs(vectors[0] - vectors[1]).max() < 1e-6)


def test_the_other_gelu_makes_other_vectors_and_is_verified_too(make_source, export_tiny):
    exact = make_source("exact")
    tanh = make_source("tanh", config={"hidden_act": "gelu_new"})
    assert not same_vectors(export_tiny, exact, tanh)


def test_a_model_without_normalisation_keeps_its_lengths(make_source, export_tiny):
    source = make_source()
    modules = json.loads((source / "modules.json").read_text())
    (source / "modules.json").write_text(json.dumps(modules[:2]))
    model = load_model(export_tiny(source, source.parent / "model"))
    assert not model.manifest.normalised
    assert not np.allclose(np.linalg.norm(model.vectors(TEXTS), axis=1), 1)


def test_a_directory_without_module_files_is_pooled_by_mean_and_normalised(make_source):
    source = make_source()
    (source / "modules.json").unlink()
    architecture = read_architecture(source)
    assert (architecture.pooling, architecture.normalised) == ("mean", True)


def test_the_same_weights_give_the_same_file(make_source):
    source = make_source()
    architecture = read_architecture(source)
    weights = read_weights(source, architecture)
    assert build_graph(weights, architecture) == build_graph(weights, architecture)


def test_a_model_that_gives_only_zeros_is_not_exported(make_source, export_tiny):
    def silenced(weights):
        name = "encoder.layer.1.output.LayerNorm"
        return weights | {f"{name}.{it}": np.zeros(16, np.float32) for it in ("weight", "bias")}

    source = make_source(tensors=silenced)
    damaged = pytest.raises(FileDamaged, match=r"model.safetensors: gives no usable .* all zeros")
    with np.errstate(invalid="ignore"), damaged:
        export_tiny(source, source.parent / "model")


@pytest.mark.parametrize("name", ["bert-cls", "distilbert-mean", "xlmr-cls"])
def test_models_published_by_others_give_the_vectors_of_their_own_library(
    shared_data, tmp_path, export_tiny, name
):
    source = shared_data / "tiny-models" / name
    texts = json.loads((shared_data / "reference" / "texts.json").read_text())
    found = load_model(export_tiny(source, tmp_path / "model")).vectors(texts)
    assert np.abs(found - np.load(source / "expected_vectors.npy")).max() < 1e-5
