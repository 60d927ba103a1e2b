"""Graphs are inspected as bytes, and no way to write the same graph hides anything."""

from pathlib import Path

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from stepwell.models import inspection
from stepwell.models.errors import ExternalData, FileDamaged, FileRefused, ForeignOperators
from stepwell.models.inspection import BUILT_IN, inspect_file, inspect_graph
from stepwell.models.wire import fields

PATH = Path("model.onnx")


def small_graph() -> onnx.ModelProto:
    """A node with a tensor, a graph and a sparse tensor in its attributes."""
    inner = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "inner", [], [])
    values = helper.make_tensor("values", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [2])
    sparse = helper.make_sparse_tensor(values, indices, [4])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, value=values, sparse=sparse)
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [4], b"\0" * 16, raw=True)
    graph = helper.make_graph([node], "outer", [], [], [weights])
    graph.sparse_initializer.append(sparse)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


CONTENTS = small_graph().SerializeToString()


def varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def field(number: int, contents: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(contents)) + contents


def inside(contents: bytes, *places: str) -> bytes:
    """Wraps an inner message in those around it, innermost last."""
    kinds = ["ModelProto", *places]
    for outer, kind in reversed(list(zip(kinds, places, strict=False))):
        number = next(it for it, inner in inspection.INNER[outer].items() if inner == kind)
        contents = field(number, contents)
    return contents


def test_the_numbers_of_the_fields_are_those_of_onnx():
    for kind, inner in inspection.INNER.items():
        descriptor = getattr(onnx, kind).DESCRIPTOR
        assert {it.number: it.message_type.name for it in descriptor.fields if it.message_type} | (
            inner
        ) == {it.number: it.message_type.name for it in descriptor.fields if it.message_type}
    names = {
        onnx.OperatorSetIdProto: {"domain": inspection.OPSET_DOMAIN},
        onnx.NodeProto: {"op_type": inspection.OPERATOR, "domain": inspection.DOMAIN},
        onnx.TensorProto: {
            "name": inspection.TENSOR_NAME,
            "external_data": inspection.EXTERNAL_DATA,
            "data_location": inspection.DATA_LOCATION,
        },
    }
    for message, numbers in names.items():
        for name, number in numbers.items():
            assert message.DESCRIPTOR.fields_by_name[name].number == number


def test_every_place_of_a_tensor_graph_or_node_is_looked_at():
    looked_at = {"NodeProto", "TensorProto", "GraphProto", "SparseTensorProto", "AttributeProto"}
    for kind, inner in inspection.INNER.items():
        descriptor = getattr(onnx, kind).DESCRIPTOR
        places = {
            it.number
            for it in descriptor.fields
            if it.message_type and it.message_type.name in looked_at
        }
        assert places <= inner.keys()


def test_a_self_contained_graph_of_standard_operators_passes():
    inspect_graph(CONTENTS, PATH)


def test_a_file_is_inspected_like_its_contents(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENTS)
    inspect_file(path)
    path.write_bytes(CONTENTS[:-1])
    with pytest.raises(FileDamaged, match="truncated"):
        inspect_file(path)
    path.write_bytes(b"")
    with pytest.raises(FileDamaged, match="is empty"):
        inspect_file(path)


def test_an_operator_that_is_allowed_by_name_passes_and_its_neighbours_do_not():
    model = small_graph()
    (inner,) = (it.g.node[0] for it in model.graph.node[0].attribute if it.name == "then_branch")
    inner.domain, inner.op_type = "com.microsoft", "MatMulIntegerToFloat"
    inspect_graph(model.SerializeToString(), PATH)
    with pytest.raises(ForeignOperators, match=r"com.microsoft \(MatMulIntegerToFloat\)"):
        inspect_graph(model.SerializeToString(), PATH, beyond={})
    inner.op_type = "Attention"
    with pytest.raises(ForeignOperators, match=r"com.microsoft \(Attention\)"):
        inspect_graph(model.SerializeToString(), PATH, beyond=BUILT_IN)


def test_unused_imports_may_pass_and_what_is_used_may_not():
    model = small_graph()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ForeignOperators, match=r"imports the domain com.example"):
        inspect_graph(model.SerializeToString(), PATH)
    inspect_graph(model.SerializeToString(), PATH, unused_imports=True)
    model.graph.node.add(op_type="Relu", domain="com.example")
    with pytest.raises(ForeignOperators, match=r"needs operators of com.example \(Relu\)"):
        inspect_graph(model.SerializeToString(), PATH, unused_imports=True)


@pytest.mark.parametrize(
    "places",
    [
        ("GraphProto", "TensorProto"),
        ("GraphProto", "SparseTensorProto", "TensorProto"),
        ("GraphProto", "NodeProto", "AttributeProto", "TensorProto"),
        ("GraphProto", "NodeProto", "AttributeProto", "SparseTensorProto", "TensorProto"),
        ("GraphProto", "NodeProto", "AttributeProto", "GraphProto", "TensorProto"),
    ],
)
def test_an_external_tensor_at_any_depth_is_refused(places):
    outside = TensorProto(name="far", data_location=TensorProto.EXTERNAL).SerializeToString()
    with pytest.raises(ExternalData, match="'far' lies in another file"):
        inspect_graph(CONTENTS + inside(outside, *places), PATH)


def test_a_domain_that_a_later_one_replaces_is_refused_all_the_same():
    node = onnx.NodeProto(op_type="Relu", domain="evil").SerializeToString()
    node += onnx.NodeProto(domain="ai.onnx").SerializeToString()
    with pytest.raises(ForeignOperators, match="evil"):
        inspect_graph(CONTENTS + inside(node, "GraphProto", "NodeProto"), PATH)


def test_a_location_that_is_external_only_in_its_low_bits_is_refused():
    tensor = varint(inspection.DATA_LOCATION << 3) + varint(1 << 32 | 1)
    with pytest.raises(ExternalData):
        inspect_graph(CONTENTS + inside(tensor, "GraphProto", "TensorProto"), PATH)


def test_graphs_without_end_in_one_another_are_refused():
    contents = b""
    for _ in range(200):
        contents = field(1, field(5, field(6, contents)))
    with pytest.raises(FileDamaged, match="nested too deep"):
        inspect_graph(field(7, contents), PATH)


@given(st.integers(0, len(CONTENTS) - 1))
def test_a_truncated_graph_is_refused_or_was_cut_between_two_fields(size):
    cut = CONTENTS[:size]
    try:
        onnx.ModelProto.FromString(cut)
    except DecodeError:
        with pytest.raises(FileDamaged, match="truncated"):
            inspect_graph(cut, PATH)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data())
def test_what_passes_is_harmless_to_a_full_parser_as_well(data):
    contents = bytearray(CONTENTS)
    for _ in range(data.draw(st.integers(1, 3))):
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect_graph(bytes(contents), PATH)
        model = onnx.ModelProto.FromString(bytes(contents))
    except (FileRefused, DecodeError):
        return
    assert not model.functions
    assert not any(it.data_location or it.external_data for it in model.graph.initializer)
    assert all(it.domain in ("", "ai.onnx") for it in model.graph.node)


@given(st.binary(max_size=60))
def test_random_bytes_are_walked_to_their_end_or_refused(contents):
    try:
        walked = list(fields(memoryview(contents)))
    except ValueError:
        return
    assert len(walked) <= len(contents)
