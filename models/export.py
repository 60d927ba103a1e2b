"""Published weights to a model directory of ours: one ONNX file, verified before it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stepwell.models.agreement import flaw
from stepwell.models.architecture import (
    Architecture,
    Usage,
    network_folder,
    read_architecture,
    read_positions,
    read_usage,
    settings_files,
)
from stepwell.models.arrays import Ids, Vectors
from stepwell.models.errors import (
    BadVector,
    DestinationOccupied,
    DestinationUnusable,
    FileDamaged,
    FileMissing,
    GraphContract,
    InferenceFailed,
    UnsupportedModel,
)
from stepwell.models.files import PinnedFile, inside, pin, read_file
from stepwell.models.graph import build_graph
from stepwell.models.hub_onnx import ForeignGraph, foreign_vectors, read_foreign, wrap
from stepwell.models.manifest import GRAPH, TOKENIZER, Manifest, SelfTest, write_manifest
from stepwell.models.memory import EXPORTING_FACTOR, available_memory, refuse_if_short
from stepwell.models.model import load_model, open_session
from stepwell.models.published_tokenizer import PublishedTokenizer, read_tokenizer
from stepwell.models.reference import reference_vector
from stepwell.models.tokenization import Tokenizer
from stepwell.models.weights import fit_one_file, read_weights, weight_files

_SELF_TEST_TEXTS = (
    "A webhook becomes a search hit.",
    "Ünïcödé façade, naïve café: 日本語 🚀",
    "def f(x):\n    return x  # HTTP 404, sha256, C++",
    "Nothing finished is done twice. " * 12,
)
_SHAPES_TRIED = ((2, 32), (9, 16), (17, 16), (33, 16))
"""Tokens and texts of batches in which published graphs gave other vectors than alone."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What an export has made, before it is written; the files are below the source."""

    graph: bytes
    dimension: int
    usage: Usage
    expected: Vectors
    weights: Sequence[Path]
    tokenizer: PublishedTokenizer


def export_directory(
    source: Path,
    destination: Path,
    *,
    name: str,
    graph: str | None = None,
    output: str | None = None,
) -> Manifest:
    """Exports a directory as published, from its safetensors files or from a `graph` it holds.

    `output` names that of the graph with the vectors, if its name is none of the usual.
    Nothing appears at `destination`, which must not exist or be empty, before all of it is right.
    """
    if destination.is_file() or (destination.is_dir() and any(destination.iterdir())):
        raise DestinationOccupied(destination)
    if not source.is_dir():
        raise FileMissing(source, "is no directory; that of a published model is expected")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as folder:
            made = Path(folder) / "model"
            if graph is None:
                architecture = read_architecture(source)
                manifest = export_model(source, made, architecture=architecture, name=name)
            else:
                manifest = export_onnx(source, made, graph=graph, name=name, output=output)
            made.replace(destination)
    except OSError as error:
        raise DestinationUnusable(destination, str(error)) from error
    return manifest


def export_model(
    source: Path, destination: Path, *, architecture: Architecture, name: str, origin: str = ""
) -> Manifest:
    """Makes a model directory at `destination`, which must not exist, from safetensors files.

    Verified against a forward pass in numpy, then loaded as any user would load it. `origin` says
    where the source came from.
    """
    made = _from_weights(network_folder(source), architecture)
    return _write(made, source, destination, name=name, origin=origin)


def export_onnx(
    source: Path, destination: Path, *, graph: str, name: str, output: str | None = None
) -> Manifest:
    """Makes a model directory from a graph that others exported, a file below `source`.

    `output` names that of the graph with the vectors, if its name is none of the usual.
    Verified against the graph itself, run on one text at a time and pooled in numpy.
    """
    path = inside(source, graph)
    if path.is_file():
        available_bytes = available_memory()
        size_bytes = path.stat().st_size
        refuse_if_short(path, size_bytes, available_bytes=available_bytes, factor=EXPORTING_FACTOR)
    foreign = read_foreign(read_file(path), path, output=output)
    usage = read_usage(source, positions=read_positions(source))
    made = _from_graph(foreign, usage, path, network_folder(source))
    return _write(made, source, destination, name=name, origin="")


def _from_weights(network: Path, architecture: Architecture) -> _Made:
    weights = read_weights(network, architecture)
    published = read_tokenizer(network)
    tokenizer = _tokenizer(published, architecture.max_tokens, words=len(weights.words))
    expected = [
        reference_vector(weights, architecture, tokens.ids)
        for tokens in tokenizer.encode(_SELF_TEST_TEXTS)
    ]
    _refuse_without_vectors(np.stack(expected), weight_files(network)[0])
    return _Made(
        graph=build_graph(fit_one_file(weights), architecture),
        dimension=architecture.hidden_size,
        usage=Usage(
            max_tokens=architecture.max_tokens,
            pooling=architecture.pooling,
            normalised=architecture.normalised,
            query_prefix=architecture.query_prefix,
            passage_prefix=architecture.passage_prefix,
        ),
        expected=np.stack(expected),
        weights=weight_files(network),
        tokenizer=published,
    )


def _from_graph(foreign: ForeignGraph, usage: Usage, path: Path, network: Path) -> _Made:
    published = read_tokenizer(network)
    texts = _tokenizer(published, usage.max_tokens).encode(_SELF_TEST_TEXTS)
    ids = [tokens.ids for tokens in texts]
    expected = foreign_vectors(foreign, usage, ids, path)
    _refuse_without_vectors(expected, path)
    dimension = expected.shape[1]
    graph = wrap(foreign, usage, dimension=dimension, one_by_one=foreign.single)
    if not foreign.single and not _is_exact(graph, ids, path, dimension):
        graph = wrap(foreign, usage, dimension=dimension, one_by_one=True)
    return _Made(graph, dimension, usage, expected, [path], published)


def _is_exact(graph: bytes, ids: Sequence[Ids], path: Path, dimension: int) -> bool:
    """Whether texts that run together get bitwise the vectors that they get alone."""
    known, random = np.concatenate(ids), np.random.default_rng(0)
    longest = max(len(text) for text in ids)
    try:
        session = open_session(graph, path, dimension=dimension)
        for tokens, texts in _SHAPES_TRIED:
            batch = random.choice(known, (min(tokens, longest), texts))
            alone = [session.run(batch[:, column : column + 1]) for column in range(texts)]
            if not np.array_equal(session.run(batch), np.concatenate(alone)):
                return False
    except (BadVector, GraphContract, InferenceFailed):
        return False  # takes one text at a time and does not say so, or fails alone too
    return True


def _refuse_without_vectors(expected: Vectors, path: Path) -> None:
    if wrong := flaw(_SELF_TEST_TEXTS, expected, expected.shape[1]):
        raise FileDamaged(path, f"gives no usable vectors, its weights are damaged: {wrong}")


def _write(made: _Made, source: Path, destination: Path, *, name: str, origin: str) -> Manifest:
    made_from = [_pin(it, source) for it in (*made.weights, made.tokenizer.path)]
    made_from += [pin(source / it, name=it) for it in settings_files(source)]
    destination.mkdir(parents=True)
    (destination / GRAPH).write_bytes(made.graph)
    (destination / TOKENIZER).write_bytes(made.tokenizer.contents)
    manifest = Manifest(
        model_id=f"{name}@{made_from[0].sha256[:12]}",
        dimension=made.dimension,
        max_tokens=made.usage.max_tokens,
        pooling=made.usage.pooling,
        normalised=made.usage.normalised,
        query_prefix=made.usage.query_prefix,
        passage_prefix=made.usage.passage_prefix,
        files=(pin(destination / GRAPH), pin(destination / TOKENIZER)),
        made_from=tuple(made_from),
        self_test=SelfTest.of(_SELF_TEST_TEXTS, made.expected),
        origin=origin,
    )
    write_manifest(manifest, destination)
    load_model(destination)
    return manifest


def _pin(path: Path, source: Path) -> PinnedFile:
    return pin(path, name=path.relative_to(source).as_posix())


def _tokenizer(
    published: PublishedTokenizer, max_tokens: int, *, words: int | None = None
) -> Tokenizer:
    path = published.path
    tokenizer = Tokenizer(published.contents, path, max_tokens=max_tokens)
    if words is not None and tokenizer.highest_id >= words:
        raise UnsupportedModel(
            f"{path}: it gives ids up to {tokenizer.highest_id}, but the weights have only "
            f"{words} tokens: they are not of one model"
        )
    if max_tokens <= tokenizer.added_tokens:
        raise UnsupportedModel(
            f"{path}: it puts {tokenizer.added_tokens} tokens around each text, so a limit of "
            f"{max_tokens} leaves nothing of it: raise max_seq_length or model_max_length"
        )
    return tokenizer
