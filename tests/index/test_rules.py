"""Which writes may share a call, and what a call may weigh."""

import random

import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.index.rules import (
    BYTES_PER_CALL_MAX,
    OBJECTS_PER_CALL_MAX,
    cut,
    instant,
    waves,
    weight_bytes,
)


def embedded(body):
    document = Document("k", "t", "r", 1, "", body, "s", "u", "2026-03-01T10:00:00Z")
    return Embedded(document, np.ones(384, np.float32), "m")


def test_a_wave_names_a_key_once_and_each_key_keeps_its_order():
    assert waves("abacab") == [[0, 1, 3], [2, 5], [4]]
    assert waves([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_waves_hold_every_position_once(seed):
    keys = random.Random(seed).choices("abcde", k=40)
    found = waves(keys)
    assert sorted(position for wave in found for position in wave) == list(range(40))
    for wave in found:
        assert len({keys[position] for position in wave}) == len(wave)
    for key in keys:
        order = [position for wave in found for position in wave if keys[position] == key]
        assert order == sorted(order)


def test_a_call_holds_no_more_objects_than_allowed():
    removals = [Removal("k", "2026-03-01T10:00:00Z")] * (2 * OBJECTS_PER_CALL_MAX + 1)
    sizes = [len(call) for call in cut(range(len(removals)), removals)]
    assert sizes == [OBJECTS_PER_CALL_MAX, OBJECTS_PER_CALL_MAX, 1]


def test_a_call_weighs_no_more_than_allowed():
    third = embedded("x" * (BYTES_PER_CALL_MAX // 3))
    writes = [third, third, embedded(""), third, third]
    calls = list(cut(range(5), writes))
    assert calls == [[0, 1, 2], [3, 4]]
    assert all(sum(weight_bytes(writes[at]) for at in call) <= BYTES_PER_CALL_MAX for call in calls)


def test_the_weight_counts_bytes_not_characters():
    assert weight_bytes(embedded("漢" * 1000)) - weight_bytes(embedded("")) == 3000


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"),
        ("2026-03-01T11:30:00+02:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.001Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_moments_are_compared_not_texts(earlier, later):
    assert instant(earlier) < instant(later)


@pytest.mark.parametrize("wrong", ["", "now", "2026-02-30T10:00:00Z", "2026-03-01T10:00:00", "17"])
def test_what_is_no_moment_is_said(wrong):
    with pytest.raises(ValueError, match="updated_at"):
        instant(wrong)
