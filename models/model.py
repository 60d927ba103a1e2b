"""A loaded model: manifest, tokenizer and session together, checked. Blocking, no threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stepwell.models.arrays import Ids, Vectors
from stepwell.models.batching import equal_length_groups
from stepwell.models.errors import SelfTestFailed
from stepwell.models.inspection import inspect_graph
from stepwell.models.manifest import GRAPH, TOKENIZER, Manifest, read_manifest
from stepwell.models.runtime import Session
from stepwell.models.tokenization import Tokenizer, Tokens

MAX_ABS_DIFF = 1e-4
MIN_COSINE = 0.99999


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far vectors are from those expected."""

    max_abs_diff: float
    min_cosine: float

    @property
    def close(self) -> bool:
        """Whether they are the same but for rounding."""
        return self.max_abs_diff <= MAX_ABS_DIFF and self.min_cosine >= MIN_COSINE


class Model:
    """Tokenises and embeds. Thread-safe."""

    def __init__(self, tokenizer: Tokenizer, session: Session, manifest: Manifest) -> None:
        self.manifest = manifest
        self._tokenizer = tokenizer
        self._session = session

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text."""
        return self._tokenizer.encode(texts)

    def run(self, batch: Sequence[Ids]) -> Vectors:
        """The vectors of texts of equal length."""
        return self._session.run(np.stack(batch, axis=1))

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of any texts, in their order, on this thread."""
        ids = [tokens.ids for tokens in self.tokenise(texts)]
        vectors = np.empty((len(texts), self.manifest.dimension), dtype=np.float32)
        for group in equal_length_groups([len(it) for it in ids]):
            vectors[group] = self.run([ids[position] for position in group])
        return vectors


def load_model(directory: Path) -> Model:
    """Loads, inspects and self-tests a model directory; every fault is a `ModelError`.

    Each file is read once, and what was hashed is what runs: files replaced later change nothing.
    """
    manifest = read_manifest(directory)
    tokenizer = Tokenizer(
        manifest.read(directory, TOKENIZER), directory / TOKENIZER, max_tokens=manifest.max_tokens
    )
    session = open_session(
        manifest.read(directory, GRAPH), directory / GRAPH, dimension=manifest.dimension
    )
    model = Model(tokenizer, session, manifest)
    found = agreement(model.vectors(manifest.self_test.texts), manifest.self_test.vectors)
    if not found.close:
        raise SelfTestFailed(
            directory,
            f"the stored vectors of the self-test are missed by {found.max_abs_diff:.1e} "
            f"(at most {MAX_ABS_DIFF:.0e}): tokenizer or graph are not those of the manifest, "
            "or this processor computes wrongly",
        )
    return model


def open_session(contents: bytes, path: Path, *, dimension: int) -> Session:
    """A session for a graph, which is inspected first."""
    inspect_graph(contents, path)
    return Session(contents, path, dimension=dimension)


def agreement(found: Vectors, expected: Vectors) -> Agreement:
    """Compares row by row."""
    wide, other = found.astype(np.float64), expected.astype(np.float64)
    cosines = (wide * other).sum(axis=1) / (
        np.linalg.norm(wide, axis=1) * np.linalg.norm(other, axis=1)
    )
    return Agreement(float(np.abs(wide - other).max()), float(cosines.min()))
