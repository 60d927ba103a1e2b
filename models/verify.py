"""Measures a model directory against reference vectors, and batches against single texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stepwell.models.agreement import (
    INT8_MEAN_COSINE,
    INT8_MIN_COSINE,
    INT8_NEIGHBOURS_KEPT,
    MAX_ABS_DIFF,
    agreement,
    flaw,
    neighbours_kept,
)
from stepwell.models.arrays import Vectors
from stepwell.models.errors import ReferenceRefused
from stepwell.models.model import Model, Precision, load_model


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The figures of a verification. Those of int8 are None where it cannot be used."""

    model_id: str
    dimension: int
    texts: int
    texts_truncated: int
    max_abs_diff: float
    min_cosine: float
    batched_equals_alone: bool
    """Bitwise."""

    close: bool
    """Whether the vectors are those of the reference but for rounding."""

    int8: str
    """"usable", "none", or why fp32 runs instead."""

    int8_mean_cosine: float | None = None
    int8_min_cosine: float | None = None
    int8_neighbours_kept: float | None = None
    """The share of the ten nearest texts that are the same; None of fewer than 20 texts."""

    int8_batched_equals_alone: bool | None = None
    int8_near: bool | None = None
    """Whether the vectors in 8 bits are near enough to those of the reference."""

    @property
    def passed(self) -> bool:
        """Whether the model may be used, in 8 bits as well where it has them."""
        return (
            self.close
            and self.batched_equals_alone
            and self.int8_near is not False
            and self.int8_batched_equals_alone is not False
        )


def verify(directory: Path, reference: tuple[Sequence[str], Vectors] | None = None) -> VerifyReport:
    """Embeds the reference's texts, batched and one by one, and compares.

    Without a reference, the texts and vectors of the manifest's self-test are used. A directory
    that cannot be loaded raises as `load_model` does, a reference that it cannot be compared with
    `ReferenceRefused`.
    """
    model = load_model(directory)
    test = model.manifest.self_test
    texts, expected = reference or (test.texts, test.vectors)
    if wrong := flaw(texts, expected, model.manifest.dimension):
        raise ReferenceRefused(wrong)
    tokens = model.tokenise(texts)
    for position, it in enumerate(tokens):
        if not len(it.ids):
            raise ReferenceRefused(f"text {position} has no tokens in this model and no vector")
    vectors, equal = _batched_and_alone(model, texts)
    found = agreement(vectors, expected)
    report = VerifyReport(
        model_id=model.model_id,
        dimension=model.manifest.dimension,
        texts=len(texts),
        texts_truncated=sum(it.truncated for it in tokens),
        max_abs_diff=found.max_abs_diff,
        min_cosine=found.min_cosine,
        batched_equals_alone=equal,
        close=found.within(MAX_ABS_DIFF),
        int8="none",
    )
    if model.manifest.int8 is None:
        return report
    return _with_int8(report, load_model(directory, precision=Precision.INT8), texts, expected)


def _with_int8(
    report: VerifyReport, model: Model, texts: Sequence[str], expected: Vectors
) -> VerifyReport:
    if model.precision is not Precision.INT8:
        return replace(report, int8=f"fp32 runs instead: {model.fallback}")
    vectors, equal = _batched_and_alone(model, texts)
    found, kept = agreement(vectors, expected), neighbours_kept(vectors, expected)
    return replace(
        report,
        int8="usable",
        int8_mean_cosine=found.mean_cosine,
        int8_min_cosine=found.min_cosine,
        int8_neighbours_kept=kept,
        int8_batched_equals_alone=equal,
        int8_near=found.mean_cosine >= INT8_MEAN_COSINE
        and found.min_cosine >= INT8_MIN_COSINE
        and (kept is None or kept >= INT8_NEIGHBOURS_KEPT),
    )


def _batched_and_alone(model: Model, texts: Sequence[str]) -> tuple[Vectors, bool]:
    """The vectors, and whether each text alone has bitwise the same."""
    batched = model.vectors(texts)
    alone = np.concatenate([model.vectors([text]) for text in texts])
    return batched, bool(np.array_equal(batched, alone))
