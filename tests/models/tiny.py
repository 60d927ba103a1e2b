"""Tiny models made on the spot: published directories, and what they export to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import models, normalizers, pre_tokenizers, processors

from stepwell.models.architecture import read_architecture
from stepwell.models.export import export_model

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:()#/+"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "poison", "done", "twice"]
VOCABULARY += [*LETTERS, *(f"##{letter}" for letter in LETTERS)]

Tensors = dict[str, NDArray[np.float32]]


def export(source: Path, destination: Path) -> Path:
    architecture = read_architecture(source)
    export_model(source, destination, architecture=architecture, name="tiny")
    return destination


def pulled(cache: Path, name: str, size: int, seed: int = 1) -> None:
    """Put a model where one of this name is looked for, when `STEPWELL_CACHE` is this folder."""
    source = cache / f"{name}-{seed}"
    source.mkdir(parents=True)
    write_source(source, size=size, seed=seed)
    export(source, cache / "models" / name)


def write_source(
    directory: Path,
    *,
    family: str = "bert",
    layers: int = 2,
    heads: int = 2,
    size: int = 16,
    inner: int | None = None,
    seed: int = 1,
    tensors: Callable[[Tensors], Tensors] = lambda it: it,
    config: dict[str, Any] | None = None,
    pooling: dict[str, Any] | None = None,
) -> None:
    """`tensors` may change the weights, `config` and `pooling` their JSON files."""
    random = np.random.default_rng(seed)
    weights = tensors(
        random_weights(family, layers=layers, size=size, inner=inner or 2 * size, random=random)
    )
    save_file(weights, directory / "model.safetensors")
    settings = SETTINGS[family](layers=layers, heads=heads, size=size) | (config or {})
    (directory / "config.json").write_text(json.dumps(settings))
    (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    (directory / "1_Pooling").mkdir()
    flags = pooling or {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    (directory / "modules.json").write_text(
        json.dumps([{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in modules])
    )
    tiny_tokenizer().save(str(directory / "tokenizer.json"))


def tiny_tokenizer() -> tokenizers.Tokenizer:
    """Words of the vocabulary, else letters; with the padding and truncation that files ship."""
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return tokenizer


def _roberta(model_type: str) -> Callable[..., dict[str, Any]]:
    return lambda layers, heads, size: {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_size": size,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 40,
        "pad_token_id": 1,
    }


SETTINGS: dict[str, Callable[..., dict[str, Any]]] = {
    "bert": lambda layers, heads, size: {
        "model_type": "bert",
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_size": size,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 40,
    },
    "roberta": _roberta("roberta"),
    "camembert": _roberta("camembert"),
    "xlm-roberta": _roberta("xlm-roberta"),
    "distilbert": lambda layers, heads, size: {
        "model_type": "distilbert",
        "n_layers": layers,
        "n_heads": heads,
        "dim": size,
        "activation": "gelu",
        "max_position_embeddings": 40,
    },
}


def random_weights(
    family: str, *, layers: int, size: int, inner: int, random: np.random.Generator
) -> Tensors:
    """Tensors under the names that the family publishes."""

    def draw(*shape: int) -> NDArray[np.float32]:
        return random.normal(scale=0.3, size=shape).astype(np.float32)

    def linear(name: str, inputs: int, outputs: int) -> Tensors:
        return {f"{name}.weight": draw(outputs, inputs), f"{name}.bias": draw(outputs)}

    def norm(name: str) -> Tensors:
        return {f"{name}.weight": 1 + draw(size), f"{name}.bias": draw(size)}

    weights = {
        "embeddings.word_embeddings.weight": draw(len(VOCABULARY), size),
        "embeddings.position_embeddings.weight": draw(40, size),
        **norm("embeddings.LayerNorm"),
    }
    for number in range(layers):
        if family == "distilbert":
            layer = f"transformer.layer.{number}."
            for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
                weights |= linear(f"{layer}attention.{name}", size, size)
            weights |= norm(f"{layer}sa_layer_norm") | norm(f"{layer}output_layer_norm")
            weights |= linear(f"{layer}ffn.lin1", size, inner)
            weights |= linear(f"{layer}ffn.lin2", inner, size)
        else:
            layer = f"encoder.layer.{number}."
            for name in ("self.query", "self.key", "self.value", "output.dense"):
                weights |= linear(f"{layer}attention.{name}", size, size)
            weights |= norm(f"{layer}attention.output.LayerNorm") | norm(f"{layer}output.LayerNorm")
            weights |= linear(f"{layer}intermediate.dense", size, inner)
            weights |= linear(f"{layer}output.dense", inner, size)
    if family != "distilbert":
        weights["embeddings.token_type_embeddings.weight"] = draw(2, size)
    return weights
