"""Graphs that others exported and that cannot be run right are refused: why, and what to do."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from stepwell.models.errors import (
    ExternalData,
    FileDamaged,
    FileMissing,
    FileOutside,
    ForeignOperators,
    GraphContract,
    UnsupportedModel,
)
from stepwell.models.export import export_onnx
from tests.models.hub_graph import (
    INT64,
    SIZE,
    foreign_model,
    leave_shapes_open,
    maker,
    renamed,
)


@pytest.fixture
def make(make_source, tmp_path):
    return maker(make_source, tmp_path)


def test_an_output_that_was_told_and_has_no_shape_to_know_it_by(make):
    def hide(model):
        renamed("output_0")(model)
        leave_shapes_open(model)

    with pytest.raises(GraphContract, match=r"output_0 FLOAT \(\) is neither \(texts, tokens, dim"):
        make(hide, named="output_0")


def test_a_graph_that_takes_one_length_without_saying_so(make):
    def insist(model):
        shape = numpy_helper.from_array(np.array([-1, 8, SIZE]), "traced")
        model.graph.initializer.append(shape)
        model.graph.node[-1].output[0] = "own"
        model.graph.node.append(
            helper.make_node("Reshape", ["own", "traced"], ["last_hidden_state"])
        )

    match = r"model.onnx: cannot be run on a text of \d+ tokens: export .* safetensors files"
    with pytest.raises(GraphContract, match=match):
        make(insist)


def test_an_output_of_whole_numbers(make):
    def round_off(model):
        model.graph.node[-1].output[0] = "exact"
        cast = helper.make_node("Cast", ["exact"], ["last_hidden_state"], to=INT64)
        model.graph.node.append(cast)
        model.graph.output[0].type.tensor_type.elem_type = INT64

    with pytest.raises(GraphContract, match=r"output last_hidden_state INT64 .*FLOAT or FLOAT16"):
        make(round_off)


def test_a_graph_with_damaged_parts_that_the_inspection_skips(make_source, tmp_path):
    source = make_source()
    output = b"\x62\x03\x0a\x09x"  # a description of an output whose name ends behind its end
    contents = foreign_model().SerializeToString() + b"\x3a" + bytes([len(output)]) + output
    (source / "model.onnx").write_bytes(contents)
    with pytest.raises(FileDamaged, match=r"is no ONNX model, or a damaged one"):
        export_onnx(source, tmp_path / "model", graph="model.onnx", name="foreign")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch": 4}, r"input input_ids takes exactly 4 texts at a time"),
        ({"tokens": 128}, r"input input_ids takes exactly 128 tokens; texts have any number"),
        ({"output": "logits"}, r"are logits FLOAT \(any, any, 12\); expected is last_hidden_state"),
        ({"output": "1234"}, r"are 1234 .*; expected .*name it: `.* export --output-name NAME`"),
        ({"named": "nothing"}, r"its outputs are last_hidden_state .*; expected is nothing\."),
    ],
)
def test_another_contract_than_an_encoder_has(make, options, match):
    with pytest.raises(GraphContract, match=match):
        make(**options)


def rename(model):
    model.graph.input[0].name = "tokens"
    model.graph.node[0].input[1] = "tokens"


def make_float(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def add_positions(model):
    model.graph.input.append(helper.make_tensor_value_info("position_ids", INT64, ["a", "b"]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (rename, r"its inputs are tokens, attention_mask.*; expected are input_ids"),
        (make_float, r"input input_ids is FLOAT, INT32 or INT64 expected"),
        (add_positions, r"its inputs are .*position_ids; expected .*: export .* safetensors files"),
        (lambda it: it.graph.input[0].type.tensor_type.shape.dim.pop(), r"has 1 axes, 2 expected"),
        (lambda it: setattr(it.opset_import[0], "version", 9), r"is of opset 9, at least 11"),
    ],
)
def test_other_inputs_than_an_encoder_has(make, change, match):
    with pytest.raises(GraphContract, match=match):
        make(change)


def test_an_output_of_another_kind_than_its_name_says(make):
    def pool(model):
        last = model.graph.node[-1]
        last.output[0] = "every"
        mean = helper.make_node(
            "ReduceMean", ["every"], ["last_hidden_state"], keepdims=0, axes=[1]
        )
        model.graph.node.append(mean)
        del model.graph.output[0].type.tensor_type.shape.dim[1]

    with pytest.raises(GraphContract, match=r"of one text of \d+ tokens is \(1, 12\), expected"):
        make(pool)


def test_weights_beside_the_graph(make):
    def move_out(model):
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="model.onnx_data")

    with pytest.raises(ExternalData, match=r"lies in another file.*export.*safetensors"):
        make(move_out)


def test_operators_that_an_optimiser_put_in(make):
    def fuse(model):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        model.graph.node[-1].op_type, model.graph.node[-1].domain = "Gelu", "com.microsoft"

    match = r"needs operators of com.microsoft \(Gelu\); .* safetensors files, or .* not optimised"
    with pytest.raises(ForeignOperators, match=match):
        make(fuse)


def test_a_graph_that_cannot_be_run(make):
    def break_off(model):
        model.graph.node[-1].input[0] = "nothing"

    with pytest.raises(FileDamaged, match=r"model.onnx: is refused by onnxruntime"):
        make(break_off)


@pytest.mark.parametrize(
    ("graph", "error"),
    [("onnx/model.onnx", FileMissing), ("../x.onnx", FileOutside), ("/x.onnx", FileOutside)],
)
def test_a_graph_that_is_not_there(make_source, tmp_path, graph, error):
    with pytest.raises(error):
        export_onnx(make_source(), tmp_path / "model", graph=graph, name="foreign")


def test_a_layer_after_the_pooling_is_refused_here_too(make_source, tmp_path):
    source = make_source()
    (source / "modules.json").write_text('[{"type": "models.Dense", "path": "2_Dense"}]')
    (source / "model.onnx").write_bytes(foreign_model().SerializeToString())
    with pytest.raises(UnsupportedModel, match="module Dense is not supported"):
        export_onnx(source, tmp_path / "model", graph="model.onnx", name="foreign")
