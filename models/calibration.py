"""Goes through an encoder layer by layer, as it is and as it will be in 8 bits, side by side.

Each linear layer is fitted to what it sees in the rounded encoder, so that what comes out is near
to what comes out of the exact one: later layers make up for the losses of earlier ones.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from stepwell.models.architecture import Activation, Architecture
from stepwell.models.arrays import Ids
from stepwell.models.int8_encoder import Encoder
from stepwell.models.int8_rounding import Fit, Int8Linear, Positions, Steps
from stepwell.models.weights import Floats, Layer, Linear, Norm

_EXPAND_EVENNESS = 0.15
"""One channel of its inputs is far wider than the others: see `Steps.between`."""

_EXACT_CONTRACTS = 2 / 3
"""So many of the layers, from the first, contract in floats: losses grow from layer to layer, and
the inputs of this one reach far. In 8 bits everywhere, neighbours change too often."""

_NEURON_RANGE_MAX = 2.0
"""Neurons that reach further than this many medians are split, into some copies at most."""
_COPIES_MAX = 16
_REACH_MIN = 1e-6

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Stepped:
    """A linear layer in 8 bits, and the steps of its inputs."""

    steps: Steps
    linear: Int8Linear


@dataclass(frozen=True, slots=True)
class Int8Layer:
    """One layer of the encoder in 8 bits: linear layers, each behind the steps of its inputs."""

    states: Steps
    query: Int8Linear
    key: Int8Linear
    value: Int8Linear
    attended: Steps
    attention_out: Int8Linear
    middle: Steps
    expand: Int8Linear
    contract: Stepped | Linear
    """As it was, or in 8 bits: see `_EXACT_CONTRACTS`."""


@dataclass(frozen=True, slots=True)
class _States:
    """A row for each token of all texts, in the exact and in the rounded encoder."""

    exact: Floats
    rounded: Floats


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is added to the states: its exact outputs, and what makes the rounded ones.

    These are the inputs of its last linear layer in the rounded encoder.
    """

    outputs: Floats
    inputs: Floats


@dataclass(frozen=True, slots=True)
class _Run:
    """Where texts of one length lie among the rows."""

    rows: slice
    texts: int


def calibrate(
    encoder: Encoder, sequences: Sequence[Ids], report: Callable[[str], None]
) -> tuple[Int8Layer, ...]:
    """The layers in 8 bits, fitted to these token ids."""
    ordered = sorted(sequences, key=len)
    states = _embedded(encoder, ordered)
    runs = _runs(ordered)
    layers = []
    exact = math.ceil(len(encoder.weights.layers) * _EXACT_CONTRACTS)
    for number, layer in enumerate(encoder.weights.layers):
        fitting = _Calibration(layer, encoder.architecture, runs, exact_contract=number < exact)
        fitted, states = fitting.run(states)
        layers.append(fitted)
        report(f"layer {number + 1} of {len(encoder.weights.layers)} fitted")
    return tuple(layers)


class _Calibration:
    """Of one layer."""

    def __init__(
        self,
        layer: Layer,
        architecture: Architecture,
        runs: Sequence[_Run],
        *,
        exact_contract: bool,
    ) -> None:
        self._layer = layer
        self._architecture = architecture
        self._runs = runs
        self._exact_contract = exact_contract
        exact = architecture.activation is Activation.EXACT
        self._activate = _exact_gelu if exact else _tanh_gelu

    def run(self, before: _States) -> tuple[Int8Layer, _States]:
        """The layer in 8 bits, and the states behind it."""
        layer = self._layer
        joint = _joined(layer.query, layer.key, layer.value)
        states, projection = _fit(
            joint, before.rounded, lambda rows: _apply(joint, before.exact[rows])
        )
        branch = self._attention(before, joint, states, projection)
        attended, attention_out, between = self._close(
            before, branch, layer.attention_out, layer.attention_norm
        )
        middle, expand = _fit(
            layer.expand,
            between.rounded,
            lambda rows: _apply(layer.expand, between.exact[rows]),
            evenness=_EXPAND_EVENNESS,
        )
        query, key, value = (
            projection.outputs(chosen) for chosen in np.arange(len(projection.bias)).reshape(3, -1)
        )
        expand, contract, behind = self._contract(between, middle, expand)
        fitted = Int8Layer(
            states,
            query,
            key,
            value,
            attended,
            attention_out,
            middle,
            expand,
            contract,
        )
        return fitted, behind

    def _attention(
        self, before: _States, joint: Linear, steps: Steps, projection: Int8Linear
    ) -> _Branch:
        heads = self._architecture.heads
        exact, rounded = np.empty_like(before.exact), np.empty_like(before.exact)
        for run in self._runs:
            projected = _apply(joint, before.exact[run.rows])
            exact[run.rows] = _attend(projected, run.texts, heads)
            projected = projection.apply(steps.count(before.rounded[run.rows]))
            rounded[run.rows] = _attend(projected, run.texts, heads)
        return _Branch(_apply(self._layer.attention_out, exact), rounded)

    def _contract(
        self, between: _States, middle: Steps, expand: Int8Linear
    ) -> tuple[Int8Linear, Stepped | Linear, _States]:
        """The rest of the layer, its neurons split where that helps, and the states behind it."""
        copies, outputs = self._exact_expansion(between.exact)
        contract, norm = self._layer.contract, self._layer.output_norm
        if not self._exact_contract:
            expand, contract = expand.outputs(copies), _split(contract, copies)
        inputs = _by_rows(
            lambda rows: self._activate(expand.apply(middle.count(between.rounded[rows]))),
            len(outputs),
        )
        if not self._exact_contract:
            branch = _Branch(outputs, inputs)
            activated, fitted, behind = self._close(between, branch, contract, norm)
            return expand, Stepped(activated, fitted), behind
        epsilon = self._architecture.layer_norm_eps
        behind = _States(
            _normalise(between.exact + outputs, norm, epsilon),
            _normalise(between.rounded + _apply(contract, inputs), norm, epsilon),
        )
        return expand, contract, behind

    def _exact_expansion(self, states: Floats) -> tuple[Positions, Floats]:
        """Which neurons to use how often: the widest are split. And the outputs behind them."""
        highest = []

        def outputs(rows: slice) -> Floats:
            activated = self._activate(_apply(self._layer.expand, states[rows]))
            highest.append(activated.max(axis=0))
            return _apply(self._layer.contract, activated)

        found = _by_rows(outputs, len(states))
        return _copies(np.max(highest, axis=0)), found

    def _close(
        self, before: _States, branch: _Branch, linear: Linear, norm: Norm
    ) -> tuple[Steps, Int8Linear, _States]:
        """Fits the last linear layer of a branch, and gives the states behind the branch.

        It is fitted to make up for what the states have lost before as well.
        """
        exact = before.exact + branch.outputs
        steps, fitted = _fit(linear, branch.inputs, lambda rows: exact[rows] - before.rounded[rows])
        rounded = before.rounded + _by_rows(
            lambda rows: fitted.apply(steps.count(branch.inputs[rows])), len(exact)
        )
        epsilon = self._architecture.layer_norm_eps
        behind = _States(_normalise(exact, norm, epsilon), _normalise(rounded, norm, epsilon))
        return steps, fitted, behind


def _fit(
    linear: Linear, inputs: Floats, wanted: Callable[[slice], Floats], *, evenness: float = 0.0
) -> tuple[Steps, Int8Linear]:
    steps = Steps.between(inputs.min(axis=0), inputs.max(axis=0), evenness=evenness)
    fit = Fit(steps, linear)
    for rows in _slices(len(inputs)):
        fit.add(inputs[rows], wanted(rows))
    return steps, fit.solve()


def _slices(count: int) -> list[slice]:
    """Rows in portions that the processor's cache can hold."""
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, count, _ROWS_AT_ONCE)]


def _by_rows(compute: Callable[[slice], Floats], count: int) -> Floats:
    return np.concatenate([compute(rows) for rows in _slices(count)])


def _runs(ordered: Sequence[Ids]) -> list[_Run]:
    runs = []
    start = 0
    for length, group in groupby(len(ids) for ids in ordered):
        texts = len(list(group))
        at_once = max(1, _ROWS_AT_ONCE // length)
        for first in range(0, texts, at_once):
            count = min(at_once, texts - first)
            runs.append(_Run(slice(start, start + count * length), count))
            start += count * length
    return runs


def _embedded(encoder: Encoder, sequences: Sequence[Ids]) -> _States:
    weights = encoder.weights
    words = weights.words[np.concatenate(sequences)].astype(np.float32)
    # Padding within a text takes another position: too rare to be fitted to.
    positions = np.concatenate([weights.positions[: len(ids)] for ids in sequences])
    epsilon = encoder.architecture.layer_norm_eps
    states = _normalise(words + positions, weights.embedding_norm, epsilon)
    return _States(states, states)


def _joined(*linears: Linear) -> Linear:
    return Linear(
        np.concatenate([it.weight for it in linears], axis=1),
        np.concatenate([it.bias for it in linears]),
    )


def _apply(linear: Linear, rows: Floats) -> Floats:
    outputs: Floats = rows @ linear.weight
    outputs += linear.bias
    return outputs


def _attend(projections: Floats, texts: int, heads: int) -> Floats:
    """Attention of each text to itself; columns are those of query, key and value."""
    shaped = projections.reshape(texts, -1, 3, heads, projections.shape[1] // (3 * heads))
    query, key, value = shaped.transpose(2, 0, 3, 1, 4)
    scores = query @ key.swapaxes(2, 3) * np.float32(1 / math.sqrt(query.shape[-1]))
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    attended: Floats = (scores @ value).swapaxes(1, 2)
    return attended.reshape(len(projections), -1)


def _normalise(rows: Floats, norm: Norm, epsilon: float) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(epsilon))
    normed: Floats = centred / deviation * norm.scale + norm.bias
    return normed


def _exact_gelu(rows: Floats) -> Floats:
    """With erf by Abramowitz and Stegun, 7.1.26: accurate to 2e-7."""
    argument = np.abs(rows) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * argument)
    tail = np.float32(1.061405429) * t
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(coefficient)
        tail *= t
    tail *= np.exp(-argument * argument)
    activated: Floats = np.where(rows > 0, rows - rows * tail / 2, rows * tail / 2)
    return activated


def _tanh_gelu(rows: Floats) -> Floats:
    inner = np.float32(math.sqrt(2 / math.pi)) * (rows + np.float32(0.044715) * rows**3)
    activated: Floats = rows * (1 + np.tanh(inner)) / 2
    return activated


def _copies(highest: Floats) -> Positions:
    """The neurons by number, those that reach too far several times.

    Their weights would otherwise be much the largest of their column, and set its scale.
    """
    widest = max(float(np.median(highest)), _REACH_MIN) * _NEURON_RANGE_MAX
    times = np.ceil(highest / widest).clip(1, _COPIES_MAX)
    return np.repeat(np.arange(len(highest)), times.astype(int))


def _split(contract: Linear, copies: Positions) -> Linear:
    """The layer behind split neurons: the copies of one share its weights."""
    share = np.bincount(copies)[copies].astype(np.float32)
    return Linear(contract.weight[copies] / share[:, None], contract.bias)
