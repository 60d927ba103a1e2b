"""Weights and architecture, read back from a graph that `graph.build_graph` has written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stepwell.models.architecture import Activation, Architecture
from stepwell.models.errors import UnsupportedModel
from stepwell.models.inspection import inspect_graph
from stepwell.models.manifest import Manifest
from stepwell.models.weights import Layer, Linear, Norm, Weights

_LINEARS_PER_LAYER = 6
_NORMS_PER_LAYER = 2


@dataclass(frozen=True, slots=True)
class Encoder:
    """All that computes vectors from token ids."""

    weights: Weights
    architecture: Architecture


def read_encoder(contents: bytes, path: Path, manifest: Manifest) -> Encoder:
    """The encoder in a graph; `UnsupportedModel` when the graph is not of our making."""
    inspect_graph(contents, path)
    graph = _Graph(onnx.ModelProto.FromString(contents).graph)
    try:
        return _read(graph, manifest)
    except (LookupError, ValueError, TypeError) as error:
        raise UnsupportedModel(
            f"{path}: only graphs that Stepwell has exported from safetensors files can be "
            f"quantised ({error!r})"
        ) from error


def _read(graph: "_Graph", manifest: Manifest) -> Encoder:
    norms, linears = graph.all("LayerNormalization"), graph.all("Gemm")
    layers = len(linears) // _LINEARS_PER_LAYER
    if not layers or len(linears) % _LINEARS_PER_LAYER or len(norms) != 1 + 2 * layers:
        raise ValueError(f"{len(linears)} linear layers and {len(norms)} normalisations")
    if not graph.all("Gelu"):
        raise ValueError("another activation than GELU")
    heads, head_size = (int(it) for it in graph.constant(graph.named("split"), 1))
    gelu = graph.all("Gelu")[0]
    exact = graph.attribute(gelu, "approximate", b"none") == b"none"
    table = graph.constant(graph.named("positions"), 0)
    padding = graph.all("Equal")  # where positions follow it
    weights = Weights(
        words=graph.constant(graph.all("Gather")[0], 0).astype(np.float32),
        positions=table if padding else table[:, 0, :],
        embedding_norm=graph.norm(norms[0]),
        layers=tuple(
            _layer(
                graph,
                linears[_LINEARS_PER_LAYER * it :],
                norms[1 + _NORMS_PER_LAYER * it :],
                head_size,
            )
            for it in range(layers)
        ),
    )
    architecture = Architecture(
        family="encoder",
        layers=layers,
        heads=heads,
        hidden_size=manifest.dimension,
        max_tokens=manifest.max_tokens,
        pooling=manifest.pooling,
        normalised=manifest.normalised,
        activation=Activation.EXACT if exact else Activation.TANH,
        position_offset=int(graph.constant(padding[0], 1)) + 1 if padding else 0,
        layer_norm_eps=float(graph.attribute(norms[0], "epsilon", 1e-5)),
    )
    return Encoder(weights, architecture)


def _layer(
    graph: "_Graph", linears: list[onnx.NodeProto], norms: list[onnx.NodeProto], head_size: int
) -> Layer:
    query, key, value, attention_out, expand, contract = (
        graph.linear(node) for node in linears[:_LINEARS_PER_LAYER]
    )
    unscale = np.float32(np.sqrt(head_size))  # the graph has the scale of the scores in the query
    return Layer(
        query=Linear(query.weight * unscale, query.bias * unscale),
        key=key,
        value=value,
        attention_out=attention_out,
        attention_norm=graph.norm(norms[0]),
        expand=expand,
        contract=contract,
        output_norm=graph.norm(norms[1]),
    )


class _Graph:
    """Nodes and their constants."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = list(graph.node)
        self._constants = {it.name: it for it in graph.initializer}

    def all(self, kind: str) -> list[onnx.NodeProto]:
        """The nodes of one operator, in their order."""
        return [node for node in self._nodes if node.op_type == kind]

    def named(self, output: str) -> onnx.NodeProto:
        """The node that makes this output."""
        found: list[onnx.NodeProto] = [node for node in self._nodes if output in node.output]
        return found[0]

    def constant(self, node: onnx.NodeProto, position: int) -> Any:
        """An input that is a constant."""
        return numpy_helper.to_array(self._constants[node.input[position]])

    def linear(self, node: onnx.NodeProto) -> Linear:
        return Linear(self.constant(node, 1), self.constant(node, 2))

    def norm(self, node: onnx.NodeProto) -> Norm:
        return Norm(self.constant(node, 1), self.constant(node, 2))

    def attribute(self, node: onnx.NodeProto, name: str, default: Any) -> Any:
        values = [helper.get_attribute_value(it) for it in node.attribute if it.name == name]
        return values[0] if values else default
