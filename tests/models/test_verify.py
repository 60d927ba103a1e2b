"""`verify` gives the figures by which a model is judged."""

import json

import numpy as np
import pytest

from stepwell.models import verify
from stepwell.models.errors import ReferenceRefused, SelfTestFailed
from stepwell.models.manifest import MANIFEST, SelfTest
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


def with_one_number_off(directory, off):
    vectors = load_model(directory).vectors(TEXTS)
    vectors[1, 3] += off
    return verify(directory, (TEXTS, vectors))


@pytest.mark.parametrize("off", [1.1e-5, 9e-5])
def test_one_number_that_differs_by_more_than_a_hundred_thousandth_does_not_pass(tiny_model, off):
    report = with_one_number_off(tiny_model, off)
    assert not report.passed
    assert report.max_abs_diff == pytest.approx(off, rel=0.01)


def test_rounding_passes(tiny_model):
    assert with_one_number_off(tiny_model, 9e-6).passed


def test_rounding_of_longer_vectors_passes(make_source, export_tiny):
    source = make_source("long")
    modules = json.loads((source / "modules.json").read_text())
    (source / "modules.json").write_text(json.dumps(modules[:2]))
    model = export_tiny(source, source.parent / "long-model")
    length = np.linalg.norm(load_model(model).vectors(TEXTS[1:2]))
    assert length > 2
    assert with_one_number_off(model, 0.9e-5 * length).passed
    assert not with_one_number_off(model, 1.1e-5 * length).passed


def column(*factors):
    return np.array(factors, dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("texts", "change", "match"),
    [
        ([], lambda it: it[:0], "it has no texts"),
        ([1, 2], lambda it: it[:2], "text 0 is a int, a string is expected"),
        (["done", "half \ud83d"], lambda it: it[:2], "text 1 is no valid Unicode"),
        (TEXTS, lambda it: it[:4], r"shape of its vectors is \(4, 16\), expected \(5, 16\)"),
        (TEXTS, lambda it: it[:, :8], r"shape of its vectors is \(5, 8\), expected \(5, 16\)"),
        (TEXTS, lambda it: it * column(1, 1, 0, 1, 1), "vector 2 .* is all zeros"),
        (TEXTS, lambda it: it * column(1, np.nan, 1, 1, 1), "vector 1 has NaN"),
        (TEXTS, lambda it: it * column(np.inf, 1, 1, 1, 1), "vector 0 has NaN or infinite"),
    ],
    ids=["empty", "numbers", "surrogate", "rows", "columns", "zeros", "NaN", "infinite"],
)
def test_a_reference_that_nothing_can_be_compared_with_is_refused(tiny_model, texts, change, match):
    vectors = change(load_model(tiny_model).vectors(TEXTS))
    with pytest.raises(ReferenceRefused, match=match) as refused:
        verify(tiny_model, (texts, vectors))
    assert refused.value.exit_code == 4


def test_a_reference_with_a_text_that_the_model_has_no_tokens_for_is_refused(
    make_source, export_tiny
):
    source = make_source("bare")
    path = source / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))
    model = export_tiny(source, source.parent / "bare-model")
    with pytest.raises(ReferenceRefused, match="text 1 has no tokens"):
        verify(model, (["done", "\x00"], load_model(model).vectors(["done", "twice"])))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_self_test_that_nothing_can_be_compared_with_is_refused(tiny_model, number):
    path = tiny_model / MANIFEST
    document = json.loads(path.read_text())
    texts = document["self_test"]["texts"]
    wrong = SelfTest.of(texts, np.full((len(texts), 16), number))
    document["self_test"]["vectors_base64"] = wrong.vectors_base64
    path.write_text(json.dumps(document))
    with pytest.raises(SelfTestFailed, match="manifest cannot be used: vector 0 has NaN"):
        load_model(tiny_model)
