"""A model in 8 bits: near to the exact one, checked at every start, and never in its way."""

import json
import random
from dataclasses import replace

import numpy as np
import onnx
import pytest

from stepwell.models import benchmark, verify
from stepwell.models.agreement import agreement, neighbours_kept
from stepwell.models.errors import (
    DestinationUnusable,
    FileDamaged,
    FileRefused,
    UnsupportedModel,
)
from stepwell.models.files import pin
from stepwell.models.int8 import has_int8, quantise
from stepwell.models.manifest import (
    GRAPH,
    INT8_GRAPH,
    MANIFEST,
    SelfTest,
    read_manifest,
    write_manifest,
)
from stepwell.models.model import Precision, load_model
from tests.models.tiny import VOCABULARY, export, write_source

pytestmark = pytest.mark.slow  # calibrates models

WORDS = ["done", "twice", "def", "f(x)", "http", "404", "sha256", "webhook", "search", "hit", "c++"]


def sentences(seed, count):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(count)]


def make(folder, family="bert", **changes):
    (folder / "published").mkdir(parents=True)
    write_source(folder / "published", family=family, size=32, inner=96, **changes)
    return export(folder / "published", folder / "model")


@pytest.fixture
def exact_model(tmp_path):
    return make(tmp_path)


@pytest.fixture
def int8_model(exact_model):
    quantise(exact_model, sentences(1, 500))
    return exact_model


def edit_manifest(directory, change):
    path = directory / MANIFEST
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert"])
def test_texts_never_seen_come_out_near_to_the_exact_vectors(tmp_path, family):
    directory = make(tmp_path / family, family)
    quantise(directory, sentences(1, 500))
    exact, rounded = load_model(directory), load_model(directory, precision=Precision.INT8)
    assert rounded.precision is Precision.INT8
    texts = sentences(2, 60)
    found, expected = rounded.vectors(texts), exact.vectors(texts)
    assert 0.999 < agreement(found, expected).mean_cosine < 1
    assert neighbours_kept(found, expected) > 0.9


def test_padding_within_a_text_takes_no_position_here_either(tmp_path):
    """Padding is "done" here: a position for each would be as far off as another text."""
    directory = make(tmp_path, "xlm-roberta", config={"pad_token_id": VOCABULARY.index("done")})
    quantise(directory, sentences(1, 500))
    exact, rounded = load_model(directory), load_model(directory, precision=Precision.INT8)
    texts = ["done twice done def", "a done b done c", "done", "twice done done done twice"]
    found = agreement(rounded.vectors(texts), exact.vectors(texts))
    assert found.min_cosine > 0.99


@pytest.mark.parametrize(
    "config",
    [{"hidden_act": "gelu_new"}, {"layer_norm_eps": 1e-5}],
    ids=["the other GELU", "another epsilon"],
)
def test_the_details_of_the_encoder_are_kept(tmp_path, config):
    directory = make(tmp_path, config=config)
    assert quantise(directory, sentences(1, 500)).int8.mean_cosine > 0.999


def test_of_three_layers_the_last_contracts_in_8_bits_as_well(tmp_path):
    directory = make(tmp_path, layers=3)
    assert quantise(directory, sentences(1, 500)).int8.mean_cosine > 0.999
    nodes = onnx.load(directory / INT8_GRAPH).graph.node
    kinds = [node.op_type for node in nodes if node.op_type in {"Gemm", "MatMulIntegerToFloat"}]
    assert kinds == (["MatMulIntegerToFloat"] * 5 + ["Gemm"]) * 2 + ["MatMulIntegerToFloat"] * 6
    model, texts = load_model(directory, precision=Precision.INT8), sentences(3, 80)
    alone = np.concatenate([model.vectors([text]) for text in texts])
    assert np.array_equal(model.vectors(texts), alone)


def test_vectors_of_the_first_token_can_be_taken(tmp_path):
    flags = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    directory = make(tmp_path, pooling=flags)
    assert quantise(directory, sentences(1, 500)).int8.mean_cosine > 0.999


def test_a_vector_is_bitwise_the_same_whatever_it_is_batched_with(int8_model):
    model = load_model(int8_model, precision=Precision.INT8)
    texts = sentences(3, 80)
    alone = np.concatenate([model.vectors([text]) for text in texts])
    assert np.array_equal(model.vectors(texts), alone)


def test_its_vectors_carry_another_model_id(int8_model):
    exact = load_model(int8_model)
    assert exact.model_id == exact.manifest.model_id
    assert load_model(int8_model, precision=Precision.INT8).model_id == f"{exact.model_id}+int8"


def test_the_exact_model_stays_as_it_was(exact_model):
    before = load_model(exact_model).vectors(WORDS)
    quantise(exact_model, sentences(1, 500))
    assert np.array_equal(load_model(exact_model).vectors(WORDS), before)


def test_the_same_texts_give_the_same_graph(tmp_path):
    graphs = []
    for name in ("one", "two"):
        directory = make(tmp_path / name)
        graphs.append(quantise(directory, sentences(1, 100)).int8.graph)
    assert graphs[0] == graphs[1]


def test_without_it_fp32_runs_and_says_why(exact_model, caplog):
    model = load_model(exact_model, precision=Precision.INT8)
    assert model.precision is Precision.FP32
    assert model.model_id == model.manifest.model_id
    assert INT8_GRAPH in model.fallback
    assert "fp32 runs instead of int8" in caplog.text


def test_where_its_stored_vectors_are_missed_fp32_runs_and_says_why(int8_model, caplog):
    """As on a processor whose integer sums overflow."""
    test = read_manifest(int8_model).int8.self_test
    wrong = SelfTest.of(test.texts, np.roll(test.vectors, 1, axis=1))
    edit_manifest(
        int8_model, lambda it: it["int8"]["self_test"].update(vectors_base64=wrong.vectors_base64)
    )
    model = load_model(int8_model, precision=Precision.INT8)
    assert model.precision is Precision.FP32
    assert "on this processor" in model.fallback
    assert model.fallback in caplog.text
    report = verify(int8_model)
    assert report.passed
    assert model.fallback in report.int8
    assert report.int8_mean_cosine is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"),
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.unlink(),
    ],
    ids=["one byte changed", "cut short", "absent"],
)
def test_a_damaged_graph_is_refused_not_passed_over(int8_model, damage):
    damage(int8_model / INT8_GRAPH)
    with pytest.raises(FileRefused, match=INT8_GRAPH):
        load_model(int8_model, precision=Precision.INT8)
    assert load_model(int8_model).fallback == ""


def test_verify_gives_its_figures(int8_model):
    texts = sentences(4, 30)
    report = verify(int8_model, (texts, load_model(int8_model).vectors(texts)))
    assert report.int8 == "usable"
    assert report.int8_mean_cosine > 0.999
    assert report.int8_min_cosine > 0.98
    assert report.int8_neighbours_kept > 0.9
    assert report.int8_batched_equals_alone


def test_verify_counts_no_neighbours_among_the_few_texts_of_the_self_test(int8_model):
    report = verify(int8_model)
    assert report.passed
    assert report.int8_neighbours_kept is None


def test_a_self_test_of_no_numbers_is_no_reason_to_use_it(int8_model):
    test = read_manifest(int8_model).int8.self_test
    wrong = SelfTest.of(test.texts, np.full_like(test.vectors, np.nan))
    edit_manifest(
        int8_model, lambda it: it["int8"]["self_test"].update(vectors_base64=wrong.vectors_base64)
    )
    with pytest.raises(FileRefused, match="vector 0 has NaN"):
        load_model(int8_model, precision=Precision.INT8)


def test_verify_without_it_says_so(exact_model):
    report = verify(exact_model)
    assert report.passed
    assert report.int8 == "none"
    assert report.int8_near is None


def test_a_model_that_comes_out_too_far_off_is_left_as_it_was(exact_model, monkeypatch):
    monkeypatch.setattr("stepwell.models.int8.INT8_MEAN_COSINE", 1.0)
    before = sorted((it.name, it.read_bytes()) for it in exact_model.iterdir())
    with pytest.raises(UnsupportedModel, match="use it in fp32"):
        quantise(exact_model, sentences(1, 60))
    assert sorted((it.name, it.read_bytes()) for it in exact_model.iterdir()) == before


@pytest.mark.parametrize(
    ("kind", "other", "reason"),
    [("Gemm", "MatMul", "0 linear layers"), ("Gelu", "Relu", "another activation than GELU")],
)
def test_a_graph_that_others_have_exported_is_not_quantised(exact_model, kind, other, reason):
    path = exact_model / GRAPH
    graph = onnx.load(path)
    for node in graph.graph.node:
        if node.op_type == kind:
            node.op_type = other
            del node.attribute[:]
    path.write_bytes(graph.SerializeToString())
    write_manifest(
        replace(read_manifest(exact_model), files=(pin(path), pin(exact_model / "tokenizer.json"))),
        exact_model,
    )
    with pytest.raises(UnsupportedModel, match=f"exported from safetensors .*{reason}"):
        quantise(exact_model, sentences(1, 60))


def test_a_directory_that_cannot_be_written_is_named(exact_model):
    (exact_model / f".{INT8_GRAPH}").mkdir()
    with pytest.raises(DestinationUnusable, match=r"cannot be kept in .*model: .*directory"):
        quantise(exact_model, sentences(1, 60))
    assert not has_int8(exact_model)


def test_it_is_there_only_while_it_is_intact_and_is_made_again(exact_model):
    assert not has_int8(exact_model)
    first = quantise(exact_model, sentences(1, 100))
    assert has_int8(exact_model)
    (exact_model / INT8_GRAPH).write_bytes(b"cut short")
    assert not has_int8(exact_model)
    assert quantise(exact_model, sentences(1, 100)) == first
    assert has_int8(exact_model)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["int8"].pop("mean_cosine"),
        lambda it: it["int8"]["graph"].update(name="../model.onnx"),
        lambda it: it["int8"]["self_test"].update(texts=["one"]),
        lambda it: it.update(int8=[]),
    ],
    ids=["a field missing", "another file", "vectors of other texts", "no record"],
)
def test_a_wrong_record_in_the_manifest_is_refused(int8_model, change):
    edit_manifest(int8_model, change)
    with pytest.raises(FileDamaged, match=MANIFEST):
        load_model(int8_model)


def test_a_benchmark_measures_and_names_both_graphs(int8_model):
    exact, rounded = benchmark(int8_model, WORDS, queries=3)
    assert (exact.precision, rounded.precision) == (Precision.FP32, Precision.INT8)
    assert rounded.model_id == f"{exact.model_id}+int8"
    assert (exact.times_fp32, exact.fallback, rounded.fallback) == (1.0, "", "")
    assert rounded.times_fp32 > 0


def test_a_benchmark_says_when_fp32_ran_instead(int8_model):
    wrong = SelfTest.of(WORDS, -load_model(int8_model).vectors(WORDS))
    manifest = read_manifest(int8_model)
    write_manifest(replace(manifest, int8=replace(manifest.int8, self_test=wrong)), int8_model)
    _, second = benchmark(int8_model, WORDS, queries=3)
    assert second.precision is Precision.FP32
    assert not second.model_id.endswith("+int8")
    assert "on this processor" in second.fallback
