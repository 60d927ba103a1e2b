"""Linear layers of 8-bit integers, so chosen that the outputs change as little as possible.

Inputs are counted in steps of a fixed size per channel, 0 to 255; weights are rounded to -127 to
127 with one scale per output. Nothing depends on what else is in a batch.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stepwell.models.weights import Floats, Linear

INPUT_MAX = 255
WEIGHT_MAX = 127

_CENTRE = 128
_RANGE_MIN = 1e-4
_PULL = 0.5
_DAMPING = 0.01
_ROWS_AT_ONCE = 64

Positions = NDArray[np.int64]

_Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps in which each channel of an input is counted: value = shift + scale · count."""

    shift: Floats
    scale: Floats

    @classmethod
    def between(cls, low: Floats, high: Floats, *, evenness: float = 0.0) -> Self:
        """Steps that reach from `low` to `high`.

        With evenness 0 every channel uses all steps. The nearer to 1, the more equal the step
        sizes are: good for the rounding of the weights, bad for that of narrow channels.
        """
        width = np.maximum(high - low, _RANGE_MIN)
        scale = width ** (1 - evenness) * width.max() ** evenness / INPUT_MAX
        middle = (low + high) / 2
        shift = middle - scale * (INPUT_MAX / 2)
        return cls(shift.astype(np.float32), scale.astype(np.float32))

    def count(self, values: Floats) -> Floats:
        """Whole steps; what lies outside the range is cut off."""
        counts = values - self.shift
        counts /= self.scale
        np.rint(counts, out=counts)
        return np.clip(counts, 0, INPUT_MAX, out=counts)


@dataclass(frozen=True, slots=True)
class Int8Linear:
    """y = (counts @ weight) · scale + bias; weight is int8 (inputs, outputs)."""

    weight: NDArray[np.int8]
    scale: Floats
    bias: Floats

    def apply(self, counts: Floats) -> Floats:
        """The outputs; exact as integers would be, for sums below 2**24."""
        outputs = counts @ self.weight.astype(np.float32)
        outputs *= self.scale
        outputs += self.bias
        return outputs

    def outputs(self, chosen: Positions) -> "Int8Linear":
        """With some of its outputs only, or some of them more than once."""
        return Int8Linear(self.weight[:, chosen], self.scale[chosen], self.bias[chosen])

    def counted_in(self, steps: Steps) -> "Int8Linear":
        """With outputs counted in steps, before rounding."""
        return Int8Linear(
            self.weight, self.scale / steps.scale, (self.bias - steps.shift) / steps.scale
        )


class Fit:
    """Collects inputs of a linear layer as the quantised model has them, and the outputs wanted."""

    def __init__(self, steps: Steps, linear: Linear) -> None:
        inputs, outputs = linear.weight.shape
        self.steps = steps
        self._weight = linear.weight.astype(np.float64) * steps.scale[:, None]
        self._rows = 0
        self._input_sum, self._output_sum = np.zeros(inputs), np.zeros(outputs)
        self._inputs = np.zeros((inputs, inputs))
        self._inputs_outputs = np.zeros((inputs, outputs))

    def add(self, inputs: Floats, wanted: Floats) -> None:
        """Takes rows of inputs, not yet counted in steps, and what should come out for them."""
        counts = self.steps.count(inputs)
        counts -= _CENTRE  # float32 sums stay small
        self._rows += len(counts)
        self._input_sum += counts.sum(axis=0, dtype=np.float64)
        self._output_sum += wanted.sum(axis=0, dtype=np.float64)
        self._inputs += counts.T @ counts
        self._inputs_outputs += counts.T @ wanted

    def solve(self) -> Int8Linear:
        """The integers that come nearest to the outputs wanted.

        First the best real weights near those given, by least squares: they make up for what the
        layers before have lost. Then they are rounded. The bias takes what is left on average.
        """
        input_mean, output_mean = self._input_sum / self._rows, self._output_sum / self._rows
        gram = self._inputs - self._rows * np.outer(input_mean, input_mean)
        cross = self._inputs_outputs - self._rows * np.outer(input_mean, output_mean)
        diagonal = np.diag(gram)
        pull = _PULL * (diagonal + 1e-3 * diagonal.mean())
        weight = np.linalg.solve(gram + np.diag(pull), cross + pull[:, None] * self._weight)
        rounded, scale = round_weights(weight, gram)
        bias = output_mean - (input_mean + _CENTRE) @ (rounded * scale)
        return Int8Linear(rounded, scale.astype(np.float32), bias.astype(np.float32))


def round_weights(weight: _Doubles, gram: _Doubles) -> tuple[NDArray[np.int8], _Doubles]:
    """Integers and a scale per output. `gram` is inputsᵀ · inputs: GPTQ (Frantar et al., 2022).

    Inputs are rounded one after the other, those that vary most first; what the rounding of one
    has changed is made up for by those not yet rounded, as far as they vary together.
    """
    scale = np.abs(weight).max(axis=0) / WEIGHT_MAX
    scale[scale == 0] = 1
    order = np.argsort(-np.diag(gram))
    damped = gram[np.ix_(order, order)]
    damped[np.diag_indices_from(damped)] += _DAMPING * np.diag(gram).mean() + 1e-6
    spread = np.linalg.cholesky(np.linalg.inv(damped)).T
    remaining = weight[order]
    rounded = np.empty(weight.shape, dtype=np.int8)
    for start in range(0, len(order), _ROWS_AT_ONCE):
        end = min(start + _ROWS_AT_ONCE, len(order))
        errors = np.empty((end - start, weight.shape[1]))
        for row in range(start, end):
            whole = np.clip(np.rint(remaining[row] / scale), -WEIGHT_MAX, WEIGHT_MAX)
            rounded[order[row]] = whole
            error = (remaining[row] - whole * scale) / spread[row, row]
            remaining[row + 1 : end] -= np.outer(spread[row, row + 1 : end], error)
            errors[row - start] = error
        remaining[end:] -= spread[start:end, end:].T @ errors
    return rounded, scale
