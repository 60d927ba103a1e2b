"""How near vectors are to those expected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepwell.models.arrays import Vectors

MAX_ABS_DIFF = 1e-5
"""Of exact vectors on the CPU. Measured below 4e-7."""
START_MAX_ABS_DIFF = 1e-4
"""At start: other processors and providers sum in another order, and deep models add that up."""
MIN_COSINE = 0.99999

INT8_MEAN_COSINE = 0.999
INT8_MIN_COSINE = 0.98
INT8_NEIGHBOURS_KEPT = 0.97
"""What vectors in 8 bits must reach, on texts that they were not fitted to."""

_NEIGHBOURS = 10
_NEIGHBOURS_TEXTS_MIN = 20
"""Among fewer, nearly all texts are neighbours."""

_Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The figures."""

    max_abs_diff: float
    max_unit_diff: float
    """The same, with vectors longer than 1 scaled to it: rounding grows with them."""

    min_cosine: float
    mean_cosine: float

    def within(self, max_abs_diff: float) -> bool:
        """Whether they are the same but for rounding, of this size in vectors of length 1."""
        return self.max_unit_diff <= max_abs_diff and self.min_cosine >= MIN_COSINE


def flaw(texts: Sequence[object], vectors: Vectors, dimension: int) -> str:
    """Why nothing can be compared with these vectors of these texts, or ""."""
    if not texts:
        return "it has no texts"
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            return f"text {position} is a {type(text).__name__}, a string is expected"
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"text {position} is no valid Unicode: {error}"
    if vectors.shape != (len(texts), dimension):
        return f"the shape of its vectors is {vectors.shape}, expected {(len(texts), dimension)}"
    usable = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
    if not usable.all():
        return f"vector {usable.argmin()} has NaN or infinite numbers, or is all zeros"
    return ""


def agreement(found: Vectors, expected: Vectors) -> Agreement:
    """Compares row by row vectors that have no `flaw`; at least one."""
    cosines = (_unit(found) * _unit(expected)).sum(axis=1)
    differences = np.abs(found.astype(np.float64) - expected).max(axis=1)
    lengths = np.linalg.norm(expected.astype(np.float64), axis=1)
    return Agreement(
        max_abs_diff=float(differences.max()),
        max_unit_diff=float((differences / np.maximum(lengths, 1)).max()),
        min_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
    )


def neighbours_kept(found: Vectors, expected: Vectors) -> float | None:
    """The share of each text's ten nearest others that are among its ten nearest in both.

    None of fewer than 20 texts, where it would say nothing.
    """
    if len(found) < _NEIGHBOURS_TEXTS_MIN:
        return None
    pairs = zip(_nearest(found), _nearest(expected), strict=True)
    return float(np.mean([len(np.intersect1d(*pair)) / _NEIGHBOURS for pair in pairs]))


def _nearest(vectors: Vectors) -> NDArray[np.intp]:
    unit = _unit(vectors)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -np.inf)
    return np.argsort(-similarities, axis=1, kind="stable")[:, :_NEIGHBOURS]


def _unit(vectors: Vectors) -> _Doubles:
    wide = vectors.astype(np.float64)
    unit: _Doubles = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
