"""`verify` gives the figures by which a model is judged."""

import numpy as np

from stepwell.models import verify
from stepwell.models.model import load_model

TEXTS = ["done", "twice", "done twice", "", "a longer text. " * 20]


def test_a_good_model_passes_against_its_own_self_test(tiny_model):
    report = verify(tiny_model)
    assert report.passed
    assert report.texts == 4
    assert report.dimension == 16
    assert report.max_abs_diff < 1e-6
    assert report.min_cosine > 0.999999
    assert report.batched_equals_alone


def test_a_reference_may_hold_any_text(tiny_model):
    vectors = load_model(tiny_model).vectors(TEXTS)
    report = verify(tiny_model, (TEXTS, vectors))
    assert report.passed
    assert report.texts == 5
    assert report.texts_truncated == 1
    assert report.max_abs_diff == 0


def test_other_vectors_than_the_reference_do_not_pass(tiny_model):
    vectors = load_model(tiny_model).vectors(TEXTS)
    vectors[2] = -vectors[2]
    report = verify(tiny_model, (TEXTS, vectors))
    assert not report.passed
    assert report.batched_equals_alone
    assert np.isclose(report.min_cosine, -1)
