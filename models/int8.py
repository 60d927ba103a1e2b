"""Adds a graph in 8 bits to a model directory, when it is near enough to the exact one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stepwell.models.agreement import (
    INT8_MEAN_COSINE,
    INT8_MIN_COSINE,
    Agreement,
    agreement,
)
from stepwell.models.calibration import calibrate
from stepwell.models.calibration_texts import calibration_ids, docstrings
from stepwell.models.errors import DestinationUnusable, FileRefused, UnsupportedModel
from stepwell.models.files import pin
from stepwell.models.int8_encoder import read_encoder
from stepwell.models.manifest import (
    GRAPH,
    INT8_GRAPH,
    TOKENIZER,
    Int8,
    Manifest,
    SelfTest,
    read_manifest,
    write_manifest,
)
from stepwell.models.model import Model, Precision, load_model, open_session
from stepwell.models.quantised_graph import build_quantised_graph
from stepwell.models.tokenization import Tokenizer

_HELD_OUT_MAX = 150


def has_int8(directory: Path) -> bool:
    """Whether an intact graph in 8 bits is there; `quantise` makes one, or makes it again."""
    manifest = read_manifest(directory)
    if manifest.int8 is None:
        return False
    try:
        with manifest.holding(directory, INT8_GRAPH):
            return True
    except FileRefused:
        return False


def quantise(
    directory: Path,
    texts: Sequence[str] | None = None,
    *,
    report: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Adds the graph in 8 bits to an exported model. Takes a minute or more.

    It is fitted to `texts`, some hundreds at least; by default to docstrings of Python's library.
    Some of them are held out: raises `UnsupportedModel`, and changes nothing, when their vectors
    are too far from the exact ones, and `DestinationUnusable` when the directory cannot be written.
    """
    manifest = read_manifest(directory)
    tokenizer = Tokenizer(
        manifest.read(directory, TOKENIZER), directory / TOKENIZER, max_tokens=manifest.max_tokens
    )
    path = directory / GRAPH
    encoder = read_encoder(manifest.read(directory, GRAPH), path, manifest)
    texts = texts or docstrings()
    count = min(_HELD_OUT_MAX, len(texts) // 4)
    held_out, fitting = texts[:count], texts[count:]
    words = len(encoder.weights.words)
    sequences = calibration_ids(
        fitting, tokenizer, vocabulary_size=words, max_tokens=manifest.max_tokens
    )
    contents = build_quantised_graph(encoder, calibrate(encoder, sequences, report))
    session = open_session(contents, directory / INT8_GRAPH, dimension=manifest.dimension)
    model = Model(tokenizer, session, manifest, precision=Precision.INT8)
    found = agreement(model.vectors(held_out), load_model(directory).vectors(held_out))
    report(f"cosines to the exact vectors: {found.mean_cosine:.5f}, worst {found.min_cosine:.4f}")
    if found.mean_cosine < INT8_MEAN_COSINE or found.min_cosine < INT8_MIN_COSINE:
        raise UnsupportedModel(
            f"{path}: in 8 bits its vectors are {found.mean_cosine:.5f} near to the exact ones, "
            f"the worst {found.min_cosine:.4f}; {INT8_MEAN_COSINE} and {INT8_MIN_COSINE} are "
            "expected: use it in fp32"
        )
    try:
        return _write(directory, manifest, contents, model, found)
    except OSError as error:
        raise DestinationUnusable(directory, str(error)) from error


def _write(
    directory: Path, manifest: Manifest, contents: bytes, model: Model, found: Agreement
) -> Manifest:
    draft = directory / f".{INT8_GRAPH}"
    draft.write_bytes(contents)
    graph = draft.replace(directory / INT8_GRAPH)
    texts = manifest.self_test.texts
    int8 = Int8(
        pin(graph),
        SelfTest.of(texts, model.vectors(texts)),
        mean_cosine=found.mean_cosine,
        min_cosine=found.min_cosine,
    )
    manifest = replace(manifest, int8=int8)
    write_manifest(manifest, directory)
    return manifest
