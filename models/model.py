"""A loaded model: manifest, tokenizer and session together, checked. Blocking, no threads."""

import logging
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np

from stepwell.models.agreement import START_MAX_ABS_DIFF, Agreement, agreement, flaw
from stepwell.models.arrays import Ids, Vectors
from stepwell.models.batching import equal_length_groups
from stepwell.models.errors import BadVector, EmptyText, InferenceFailed, SelfTestFailed
from stepwell.models.inspection import inspect_file, inspect_graph
from stepwell.models.manifest import (
    GRAPH,
    INT8_GRAPH,
    TOKENIZER,
    Manifest,
    SelfTest,
    read_manifest,
)
from stepwell.models.runtime import Provider, Session
from stepwell.models.tokenization import Tokenizer, Tokens


class Precision(StrEnum):
    """Which graph of a directory runs."""

    FP32 = "fp32"
    INT8 = "int8"


GRAPHS = {Precision.FP32: GRAPH, Precision.INT8: INT8_GRAPH}

_INT8_MIN_COSINE = 0.999
"""To the golden vectors. Processors round sums of floats differently, and a step of 8 bits is wide;
those without the right instructions are far off."""

_log = logging.getLogger(__name__)


class Model:
    """Tokenises and embeds. Thread-safe."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        session: Session,
        manifest: Manifest,
        *,
        precision: Precision = Precision.FP32,
        fallback: str = "",
    ) -> None:
        """`fallback` is the reason why another precision than the one wanted runs, or ""."""
        self.manifest = manifest
        self.precision = precision
        self.fallback = fallback
        self._tokenizer = tokenizer
        self._session = session

    @property
    def model_id(self) -> str:
        """Identifies what made a vector; those of different precision are not comparable."""
        exact = self.precision is Precision.FP32
        return self.manifest.model_id if exact else f"{self.manifest.model_id}+{self.precision}"

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text."""
        return self._tokenizer.encode(texts)

    def run(self, batch: Sequence[Ids]) -> Vectors:
        """The vectors of texts of equal length; raises as `Session.run` does."""
        return self._session.run(np.stack(batch, axis=1))

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of any texts, in their order, on this thread."""
        ids = [tokens.ids for tokens in self.tokenise(texts)]
        vectors = np.empty((len(texts), self.manifest.dimension), dtype=np.float32)
        for group in equal_length_groups([len(it) for it in ids]):
            vectors[group] = self.run([ids[position] for position in group])
        return vectors


def load_model(
    directory: Path, *, precision: Precision = Precision.FP32, provider: Provider = Provider.CPU
) -> Model:
    """Loads, inspects and self-tests a model directory; every fault is a `ModelError`.

    What was hashed is what runs: files replaced meanwhile are refused, later they change nothing.
    Where int8 cannot be used, fp32 runs instead: `Model.fallback` and a warning say why.
    """
    manifest = read_manifest(directory)
    tokenizer = _load_tokenizer(directory, manifest)
    fallback = ""
    if precision is Precision.INT8:
        found = _load_int8(directory, manifest, tokenizer, provider)
        if isinstance(found, Model):
            return found
        fallback = found
        _log.warning("%s: fp32 runs instead of int8: %s", directory, fallback)
    session = _load_session(directory, manifest, Precision.FP32, provider)
    model = Model(tokenizer, session, manifest, fallback=fallback)
    self_test = _run_self_test(model, manifest.self_test, directory)
    if not self_test.within(START_MAX_ABS_DIFF):
        raise SelfTestFailed(
            directory,
            f"the stored vectors of the self-test are missed by {self_test.max_unit_diff:.1e} "
            f"(at most {START_MAX_ABS_DIFF:.0e}): tokenizer or graph are not those of the "
            "manifest, or this processor computes wrongly",
        )
    return model


def _load_int8(
    directory: Path, manifest: Manifest, tokenizer: Tokenizer, provider: Provider
) -> Model | str:
    """The model in 8 bits, or why it cannot be used here."""
    if manifest.int8 is None:
        return f"the directory has no {INT8_GRAPH}"
    if provider is not Provider.CPU:
        return f"{provider} has no integer operators for it"
    session = _load_session(directory, manifest, Precision.INT8, provider)
    model = Model(tokenizer, session, manifest, precision=Precision.INT8)
    self_test = _run_self_test(model, manifest.int8.self_test, directory)
    if self_test.min_cosine < _INT8_MIN_COSINE:
        return (
            f"on this processor its vectors are {self_test.min_cosine:.5f} near to those stored, "
            f"{_INT8_MIN_COSINE} expected"
        )
    return model


def _run_self_test(model: Model, test: SelfTest, directory: Path) -> Agreement:
    if wrong := flaw(test.texts, test.vectors, model.manifest.dimension):
        raise SelfTestFailed(directory, f"the self-test in its manifest cannot be used: {wrong}")
    try:
        return agreement(model.vectors(test.texts), test.vectors)
    except (BadVector, EmptyText, InferenceFailed) as error:
        raise SelfTestFailed(directory, f"the self-test does not run: {error}") from error


def _load_tokenizer(directory: Path, manifest: Manifest) -> Tokenizer:
    contents = manifest.read(directory, TOKENIZER)
    return Tokenizer(contents, directory / TOKENIZER, max_tokens=manifest.max_tokens)


def _load_session(
    directory: Path, manifest: Manifest, precision: Precision, provider: Provider
) -> Session:
    with manifest.holding(directory, GRAPHS[precision]) as path:
        inspect_file(path)
        return Session(path, path, dimension=manifest.dimension, provider=provider)


def open_session(contents: bytes, path: Path, *, dimension: int) -> Session:
    """A session for a graph in memory, which is inspected first."""
    inspect_graph(contents, path)
    return Session(contents, path, dimension=dimension)
