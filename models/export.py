"""Published weights to a model directory of ours: one ONNX file, verified before it is kept."""

import shutil
from pathlib import Path

import numpy as np

from stepwell.models.architecture import Architecture
from stepwell.models.errors import UnsupportedModel
from stepwell.models.files import pin, read_file
from stepwell.models.graph import build_graph
from stepwell.models.manifest import GRAPH, TOKENIZER, Manifest, SelfTest, write_manifest
from stepwell.models.model import load_model
from stepwell.models.reference import reference_vector
from stepwell.models.tokenization import Tokenizer
from stepwell.models.weights import Weights, read_weights

WEIGHTS = "model.safetensors"

_SELF_TEST_TEXTS = (
    "A webhook becomes a search hit.",
    "Ünïcödé façade, naïve café: 日本語 🚀",
    "def f(x):\n    return x  # HTTP 404, sha256, C++",
    "Nothing finished is done twice. " * 12,
)


def export_model(
    source: Path, destination: Path, *, architecture: Architecture, name: str
) -> Manifest:
    """Makes a model directory at `destination`, which must not exist, from `source`.

    Verified against a forward pass in numpy, then loaded as any user would load it.
    """
    weights = read_weights(source / WEIGHTS, architecture)
    tokenizer = _tokenizer(source, architecture, weights)
    expected = np.stack(
        [
            reference_vector(weights, architecture, tokens.ids)
            for tokens in tokenizer.encode(_SELF_TEST_TEXTS)
        ]
    )
    destination.mkdir(parents=True)
    (destination / GRAPH).write_bytes(build_graph(weights, architecture))
    shutil.copyfile(source / TOKENIZER, destination / TOKENIZER)
    made_from = (pin(source / WEIGHTS), pin(source / TOKENIZER))
    manifest = Manifest(
        model_id=f"{name}@{made_from[0].sha256[:12]}",
        dimension=architecture.hidden_size,
        max_tokens=architecture.max_tokens,
        pooling=architecture.pooling,
        normalised=architecture.normalised,
        query_prefix=architecture.query_prefix,
        passage_prefix=architecture.passage_prefix,
        files=(pin(destination / GRAPH), pin(destination / TOKENIZER)),
        made_from=made_from,
        self_test=SelfTest.of(_SELF_TEST_TEXTS, expected),
    )
    write_manifest(manifest, destination)
    load_model(destination)
    return manifest


def _tokenizer(source: Path, architecture: Architecture, weights: Weights) -> Tokenizer:
    path = source / TOKENIZER
    tokenizer = Tokenizer(read_file(path), path, max_tokens=architecture.max_tokens)
    if tokenizer.vocabulary_size > len(weights.words):
        raise UnsupportedModel(
            f"{path}: {tokenizer.vocabulary_size} tokens, but the weights have only "
            f"{len(weights.words)}: they are not of one model"
        )
    return tokenizer
