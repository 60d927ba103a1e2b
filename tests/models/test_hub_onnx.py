"""Graphs that others exported run as ours do: same contract, same vectors, whatever the batch."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stepwell.models import Embedder
from stepwell.models.export import export_onnx
from stepwell.models.manifest import GRAPH
from stepwell.models.model import load_model
from tests.models.hub_graph import (
    INT32,
    SIZE,
    TEXTS,
    foreign_model,
    leave_shapes_open,
    maker,
    renamed,
    states_by_hand,
)


@pytest.fixture
def make(make_source, tmp_path):
    return maker(make_source, tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("opset", [11, 17])
def test_vectors_are_those_of_the_graph_pooled_and_normalised(make, pooling, opset):
    model = load_model(make(pooling=pooling, opset=opset))
    for text, tokens in zip(TEXTS, model.tokenise(TEXTS), strict=True):
        states = states_by_hand(tokens.ids)
        expected = states.mean(0) if pooling == "mean" else states[0]
        expected /= np.linalg.norm(expected)
        assert np.abs(model.vectors([text])[0] - expected).max() < 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": INT32},
        {"inputs": ("input_ids", "attention_mask")},
        {"inputs": ("input_ids",)},
        {"inputs": ("attention_mask", "input_ids", "token_type_ids")},
        {"output": "token_embeddings"},
        {"output": "sentence_embedding"},
        {"batch": 1},
        {"batch": 1, "output": "sentence_embedding"},
    ],
)
def test_whatever_a_graph_takes_the_vectors_are_the_same_alone_and_in_batches(make, options):
    model, plain = load_model(make(**options)), load_model(make())
    alone = np.concatenate([model.vectors([text]) for text in TEXTS])
    assert np.abs(alone - plain.vectors(TEXTS)).max() < 1e-6
    assert np.array_equal(model.vectors(TEXTS * 20), np.tile(alone, (20, 1)))


def import_unused(model):
    """As onnxruntime does when it saves a graph."""
    for domain in ("com.microsoft", "ai.onnx.ml", "org.pytorch.aten"):
        model.opset_import.append(helper.make_opsetid(domain, 1))


def write_minus_one(model):
    """As some exporters write an axis that varies."""
    for value in model.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_value = -1


@pytest.mark.parametrize("change", [import_unused, leave_shapes_open, write_minus_one])
def test_what_exporters_leave_behind_changes_nothing(make, change):
    assert np.array_equal(
        load_model(make(change)).vectors(TEXTS), load_model(make()).vectors(TEXTS)
    )


@pytest.mark.parametrize("change", [lambda _model: None, leave_shapes_open])
def test_a_graph_that_takes_one_text_without_saying_so(make, change):
    def insist(model):
        """What tracing with one text leaves: its shape as a constant."""
        change(model)
        nodes = model.graph.node
        shape = numpy_helper.from_array(np.array([1, -1, SIZE]), "traced")
        model.graph.initializer.append(shape)
        nodes[-1].output[0] = "own"
        nodes.append(helper.make_node("Reshape", ["own", "traced"], ["last_hidden_state"]))

    for pooling in ("mean", "cls"):
        model, plain = load_model(make(insist, pooling)), load_model(make(pooling=pooling))
        assert np.abs(model.vectors(TEXTS * 5) - plain.vectors(TEXTS * 5)).max() < 1e-6


@pytest.mark.parametrize("opset", [11, 17])
def test_pooling_does_not_keep_texts_from_running_together(make, opset):
    graph = onnx.load(make(opset=opset) / GRAPH).graph
    assert "Scan" not in {node.op_type for node in graph.node}


def in_16_bits(model):
    """The last operators of the graph in 16 bits, and so its output."""
    (name,) = model.graph.node[-1].output
    model.graph.node[-1].output[0] = "exact"
    half = numpy_helper.from_array(np.float16(0.7), "half")
    model.graph.initializer.append(half)
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["exact"], ["short"], to=TensorProto.FLOAT16),
            helper.make_node("Mul", ["short", "half"], [name]),
        ]
    )
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


@pytest.mark.parametrize("output", ["last_hidden_state", "sentence_embedding"])
def test_a_graph_in_16_bits_agrees_with_its_self_test_but_for_rounding_in_32(make, output):
    model = load_model(make(in_16_bits, output=output))
    test = model.manifest.self_test
    assert np.abs(model.vectors(test.texts) - test.vectors).max() < 1e-6
    assert np.abs(model.vectors(TEXTS) - load_model(make()).vectors(TEXTS)).max() < 1e-3


def test_a_graph_in_16_bits_is_run_one_by_one(make):
    graph = onnx.load(make(in_16_bits) / GRAPH).graph
    assert [node.op_type for node in graph.node] == ["Scan"]


@pytest.mark.parametrize("kind", ["last_hidden_state", "sentence_embedding"])
def test_an_output_of_any_name_that_was_told(make, kind):
    told = make(renamed("output_0"), named="output_0", output=kind)
    assert np.array_equal(
        load_model(told).vectors(TEXTS), load_model(make(output=kind)).vectors(TEXTS)
    )


def test_an_output_that_was_told_goes_before_those_known_by_name(make):
    def add_other(model):
        model.graph.node.append(helper.make_node("Neg", ["last_hidden_state"], ["other"]))
        model.graph.output.append(
            helper.make_tensor_value_info("other", TensorProto.FLOAT, ["a", "b", SIZE])
        )

    vectors = load_model(make()).vectors(TEXTS)
    assert np.array_equal(load_model(make(add_other)).vectors(TEXTS), vectors)
    assert np.array_equal(load_model(make(add_other, named="other")).vectors(TEXTS), -vectors)


def test_it_is_embedded_with_as_any_other_model(make):
    with Embedder.load(make()) as embedder:
        assert embedder.embed_texts(["done", "twice"]).shape == (2, SIZE)


def test_a_graph_whose_vectors_depend_on_the_batch_is_run_one_by_one(make):
    def entangle(model):
        """Adds the mean over all texts: what calibration of a whole batch amounts to."""
        nodes = model.graph.node
        nodes[-1].output[0] = "own"
        nodes.append(helper.make_node("ReduceMean", ["own"], ["all"], axes=[0], keepdims=1))
        nodes.append(helper.make_node("Add", ["own", "all"], ["last_hidden_state"]))

    model = load_model(make(entangle))
    alone = np.concatenate([model.vectors([text]) for text in TEXTS])
    assert np.array_equal(model.vectors(TEXTS * 5), np.tile(alone, (5, 1)))


def test_a_network_that_we_cannot_build_runs_from_its_graph(make, make_source):
    def exotic(model):
        model.graph.node[-1].op_type = "Softsign"

    assert load_model(make(exotic)).manifest.dimension == SIZE


def test_the_manifest_says_what_it_was_made_from(make):
    manifest = load_model(make()).manifest
    names = [it.name for it in manifest.made_from]
    assert names[:2] == ["onnx/model.onnx", "tokenizer.json"]
    assert manifest.model_id == f"foreign@{manifest.made_from[0].sha256[:12]}"


def test_a_limit_that_is_too_large_for_the_graph_is_that_of_the_config(make_source, tmp_path):
    source = make_source(config={"max_position_embeddings": 20})
    (source / "model.onnx").write_bytes(foreign_model().SerializeToString())
    made = export_onnx(source, tmp_path / "model", graph="model.onnx", name="foreign")
    assert made.max_tokens == 20


def test_a_graph_with_branches_that_look_outside(make):
    def branch(model):
        same = helper.make_node("Identity", ["attended"], ["kept"])
        kept = helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)
        inner = helper.make_graph([same], "branch", [], [kept])
        always = helper.make_node("Constant", [], ["always"], value_int=1)
        truth = helper.make_node("Cast", ["always"], ["truth"], to=TensorProto.BOOL)
        choice = helper.make_node("If", ["truth"], ["chosen"], then_branch=inner, else_branch=inner)
        nodes = list(model.graph.node)
        nodes[-1].input[0] = "chosen"
        del model.graph.node[:]
        model.graph.node.extend([*nodes[:-1], always, truth, choice, nodes[-1]])

    for batch in ("batch", 1):
        branched, plain = load_model(make(branch, batch=batch)), load_model(make())
        assert np.abs(branched.vectors(TEXTS) - plain.vectors(TEXTS)).max() < 1e-6
