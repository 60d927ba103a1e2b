"""Refuses graphs that would read other files or need foreign operators, before they are run."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no stubs

from stepwell.models.errors import ExternalData, FileDamaged, ForeignOperators

_STANDARD_DOMAINS = {"", "ai.onnx"}


def inspect_graph(contents: bytes, path: Path) -> None:
    """Passes a self-contained graph of standard operators; all else is a `FileRefused`."""
    try:
        model = onnx.ModelProto.FromString(contents)
    except DecodeError as error:
        raise FileDamaged(path, f"is no ONNX model, or a truncated one: {error}") from error
    if not model.graph.node:
        raise FileDamaged(path, "is no ONNX model: it has no operators")
    if model.functions:
        raise ForeignOperators(path, "defines functions of its own")
    domains = {opset.domain for opset in model.opset_import}
    for graph in _graphs(model.graph):
        domains |= {node.domain for node in graph.node}
        for tensor in _tensors(graph):
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise ExternalData(path, f"tensor {tensor.name!r} lies in another file")
    if foreign := domains - _STANDARD_DOMAINS:
        raise ForeignOperators(path, f"needs operators of {', '.join(sorted(foreign))}")


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those nested in its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            yield from _graphs(attribute.g)
            for nested in attribute.graphs:
                yield from _graphs(nested)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            sparse += (attribute.sparse_tensor, *attribute.sparse_tensors)
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)
