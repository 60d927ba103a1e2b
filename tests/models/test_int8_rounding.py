"""Linear layers of 8-bit integers give nearly what the exact ones give."""

import numpy as np
import pytest

from stepwell.models.int8_rounding import Fit, Int8Linear, Steps, round_weights
from stepwell.models.weights import Linear

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(600, 24)).astype(np.float32) @ RANDOM.normal(size=(24, 24)).astype(
    np.float32
)
LINEAR = Linear(
    RANDOM.normal(size=(24, 10)).astype(np.float32), RANDOM.normal(size=10).astype(np.float32)
)


def exact(rows):
    return rows @ LINEAR.weight + LINEAR.bias


def loss(found, expected):
    return float(((found - expected) ** 2).mean() / expected.var())


def fitted(rows, wanted, *, evenness=0.0):
    steps = Steps.between(rows.min(axis=0), rows.max(axis=0), evenness=evenness)
    fit = Fit(steps, LINEAR)
    for part in np.array_split(np.arange(len(rows)), 3):
        fit.add(rows[part], wanted[part])
    return steps, fit.solve()


def test_outputs_are_near_on_rows_never_seen():
    steps, linear = fitted(ROWS[:400], exact(ROWS[:400]))
    unseen = ROWS[400:]
    assert loss(linear.apply(steps.count(unseen)), exact(unseen)) < 1e-3


def test_every_channel_uses_its_own_range():
    steps = Steps.between(np.float32([-1, 0]), np.float32([1, 100]))
    assert steps.count(np.float32([[-1, 0], [1, 100]])).tolist() == [[0, 0], [255, 255]]


def test_evenness_gives_channels_more_equal_steps():
    low, high = np.float32([0, 0]), np.float32([1, 100])
    ratios = [
        float(steps.scale[1] / steps.scale[0])
        for steps in (Steps.between(low, high, evenness=it) for it in (0.0, 0.5, 1.0))
    ]
    assert ratios == pytest.approx([100, 10, 1])


def test_what_lies_outside_the_range_is_cut_off():
    steps = Steps.between(np.float32([0]), np.float32([1]))
    assert steps.count(np.float32([[-9], [9]])).ravel().tolist() == [0, 255]


def test_the_bias_takes_what_is_left_on_average():
    steps, linear = fitted(ROWS, exact(ROWS) + 3)
    difference = linear.apply(steps.count(ROWS)) - exact(ROWS)
    assert difference.mean(axis=0) == pytest.approx(3, abs=1e-2)


def test_what_inputs_have_lost_is_made_up_for():
    """Inputs that come in at half their size still give the outputs wanted, as far as pulled."""
    steps, linear = fitted(ROWS * np.float32(0.5), exact(ROWS))
    found = linear.apply(steps.count(ROWS * np.float32(0.5)))
    uncorrected = exact(ROWS * np.float32(0.5))
    assert loss(found, exact(ROWS)) < loss(uncorrected, exact(ROWS)) / 2


def test_rounding_with_regard_to_the_inputs_loses_less():
    weight = LINEAR.weight.astype(np.float64)
    gram = ROWS.T.astype(np.float64) @ ROWS
    rounded, found_scale = round_weights(weight, gram)
    plain = np.rint(weight / found_scale) * found_scale
    assert loss(ROWS @ (rounded * found_scale), ROWS @ weight) < loss(ROWS @ plain, ROWS @ weight)
    assert rounded.dtype == np.int8
    assert (np.abs(rounded) <= 127).all()


def test_a_constant_input_and_a_weightless_output_do_no_harm():
    rows = ROWS.copy()
    rows[:, 0] = 1
    weight = LINEAR.weight.copy()
    weight[:, 0] = 0
    linear = Linear(weight, LINEAR.bias)
    steps = Steps.between(rows.min(axis=0), rows.max(axis=0))
    fit = Fit(steps, linear)
    wanted = rows @ weight + LINEAR.bias
    fit.add(rows, wanted)
    found = fit.solve().apply(steps.count(rows))
    assert np.isfinite(found).all()
    assert loss(found, wanted) < 1e-3


def test_outputs_can_be_counted_in_the_steps_of_the_next_layer():
    linear = Int8Linear(np.int8([[3], [-2]]), np.float32([0.5]), np.float32([1]))
    counts = np.float32([[10, 4]])
    value = linear.apply(counts)
    steps = Steps(shift=np.float32([-1]), scale=np.float32([0.25]))
    counted = linear.counted_in(steps).apply(counts)
    assert steps.shift + steps.scale * counted == pytest.approx(value)
