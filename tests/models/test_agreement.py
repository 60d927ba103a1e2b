"""How near vectors are to those expected, in figures that say what they seem to say."""

import numpy as np
import pytest

from stepwell.models.agreement import agreement, neighbours_kept

RANDOM = np.random.default_rng(5)


def unit_vectors(count):
    vectors = RANDOM.normal(size=(count, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 4, 19])
def test_neighbours_among_few_texts_say_nothing(count):
    vectors = unit_vectors(count)
    assert neighbours_kept(vectors, vectors) is None


def test_neighbours_among_enough_texts_are_compared():
    vectors = unit_vectors(40)
    assert neighbours_kept(vectors, vectors) == 1
    assert neighbours_kept(vectors, unit_vectors(40)) < 0.5


def test_a_difference_is_absolute_for_vectors_of_length_one():
    expected = unit_vectors(3)
    found = expected + np.array([[0], [1e-3], [0]], dtype=np.float32)
    figures = agreement(found, expected)
    assert figures.max_abs_diff == pytest.approx(1e-3, rel=1e-3)
    assert figures.max_unit_diff == pytest.approx(1e-3, rel=1e-3)


def test_a_difference_shrinks_with_the_length_of_longer_vectors_and_not_of_shorter_ones():
    expected = unit_vectors(1)
    for length, share in ((10, 10), (0.1, 1)):
        figures = agreement(length * expected + np.float32(1e-3), length * expected)
        assert figures.max_abs_diff == pytest.approx(1e-3, rel=1e-3)
        assert figures.max_unit_diff == pytest.approx(1e-3 / share, rel=1e-3)
