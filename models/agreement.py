"""How near vectors are to those expected."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepwell.models.arrays import Vectors

MAX_ABS_DIFF = 1e-4
MIN_COSINE = 0.99999

INT8_MEAN_COSINE = 0.999
INT8_MIN_COSINE = 0.98
INT8_NEIGHBOURS_KEPT = 0.97
"""What vectors in 8 bits must reach, on texts that they were not fitted to."""

_NEIGHBOURS = 10

_Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The figures."""

    max_abs_diff: float
    min_cosine: float
    mean_cosine: float

    @property
    def close(self) -> bool:
        """Whether they are the same but for rounding."""
        return self.max_abs_diff <= MAX_ABS_DIFF and self.min_cosine >= MIN_COSINE


def agreement(found: Vectors, expected: Vectors) -> Agreement:
    """Compares row by row."""
    cosines = (_unit(found) * _unit(expected)).sum(axis=1)
    difference = np.abs(found.astype(np.float64) - expected)
    return Agreement(float(difference.max()), float(cosines.min()), float(cosines.mean()))


def neighbours_kept(found: Vectors, expected: Vectors) -> float:
    """The share of each text's ten nearest others that are among its ten nearest in both."""
    count = min(_NEIGHBOURS, len(found) - 1)
    if count < 1:
        return 1.0
    pairs = zip(_nearest(found, count), _nearest(expected, count), strict=True)
    return float(np.mean([len(np.intersect1d(*pair)) / count for pair in pairs]))


def _nearest(vectors: Vectors, count: int) -> NDArray[np.intp]:
    unit = _unit(vectors)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -np.inf)
    return np.argsort(-similarities, axis=1, kind="stable")[:, :count]


def _unit(vectors: Vectors) -> _Doubles:
    wide = vectors.astype(np.float64)
    unit: _Doubles = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
