"""The ONNX graph of an encoder: texts of equal length in, pooled and normalised vectors out.

`input_ids` is int32 (tokens, texts): token-major, so that a batch of one and a batch of many
differ only in the number of rows of each product, and vectors are bitwise the same. All texts of
a batch have the same length: there is no mask and no padding. Only standard operators are used;
onnxruntime folds the transpositions into its matrix products.
"""

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

from stepwell.models.architecture import Activation, Architecture, Pooling
from stepwell.models.errors import UnsupportedModel
from stepwell.models.runtime import INPUT, OUTPUT
from stepwell.models.weights import Layer, Linear, Norm, Weights

_OPSET = 20  # the first with Gelu
_IR_VERSION = 9  # what opset 20 came with: older runtimes can read it
_PROTOBUF_BYTES_MAX = 2**31 - 1


def build_graph(weights: Weights, architecture: Architecture) -> bytes:
    """The serialised model, self-contained; the same input gives the same bytes."""
    builder = _Builder(architecture)
    builder.embed(weights)
    states = builder.norm(builder.node("Add", "words", "positions"), weights.embedding_norm)
    states = builder.node("Reshape", states, "flat")
    for layer in weights.layers:
        states = builder.layer(states, layer)
    builder.pool(states)
    return builder.serialise()


class _Builder:
    """Nodes and constants under construction. A method adds nodes and returns its output's name."""

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._head_size = architecture.hidden_size // architecture.heads

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def constant(self, values: ArrayLike, name: str | None = None) -> str:
        name = name or f"constant_{len(self._constants)}"
        array = np.asarray(values, order="C")  # keeps a scalar a scalar
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def embed(self, weights: Weights) -> None:
        """Word and position embeddings, and the three shapes that the rest needs."""
        size, heads = self._architecture.hidden_size, self._architecture.heads
        zero, one = self.constant([0], "zero"), self.constant([1])
        shape = self.node("Shape", INPUT, output="shape")
        self.constant([-1, size], "flat")
        self.node("Concat", shape, self.constant([heads, self._head_size]), output="split", axis=0)
        self.node("Concat", shape, self.constant([size]), output="joined", axis=0)
        self.node("Gather", self.constant(weights.words), INPUT, output="words")
        tokens = self.node("Slice", shape, zero, one)
        table = self.constant(weights.positions[:, None, :])
        self.node("Slice", table, zero, tokens, zero, output="positions")

    def norm(self, states: str, norm: Norm) -> str:
        scale, bias = self.constant(norm.scale), self.constant(norm.bias)
        epsilon = self._architecture.layer_norm_eps
        return self.node("LayerNormalization", states, scale, bias, axis=-1, epsilon=epsilon)

    def linear(self, states: str, linear: Linear) -> str:
        return self.node("Gemm", states, self.constant(linear.weight), self.constant(linear.bias))

    def layer(self, states: str, layer: Layer) -> str:
        attended = self.linear(self.attention(states, layer), layer.attention_out)
        states = self.norm(self.node("Add", attended, states), layer.attention_norm)
        expanded = self.linear(states, layer.expand)
        exact = self._architecture.activation is Activation.EXACT
        activated = self.node("Gelu", expanded, approximate="none" if exact else "tanh")
        contracted = self.linear(activated, layer.contract)
        return self.norm(self.node("Add", contracted, states), layer.output_norm)

    def attention(self, states: str, layer: Layer) -> str:
        """Softmax(query · key / √size) · value per head; the scale is folded into the query."""
        scale = np.float32(1 / math.sqrt(self._head_size))
        scaled_query = Linear(layer.query.weight * scale, layer.query.bias * scale)
        query = self.heads(states, scaled_query, [1, 2, 0, 3])
        key = self.heads(states, layer.key, [1, 2, 3, 0])
        value = self.heads(states, layer.value, [1, 2, 0, 3])
        weights = self.node("Softmax", self.node("MatMul", query, key), axis=-1)
        attended = self.node("MatMul", weights, value)
        return self.node("Reshape", self.node("Transpose", attended, perm=[2, 0, 1, 3]), "flat")

    def heads(self, states: str, linear: Linear, order: list[int]) -> str:
        """A projection as (tokens, texts, heads, channels), brought into `order`."""
        projected = self.node("Reshape", self.linear(states, linear), "split")
        return self.node("Transpose", projected, perm=order)

    def pool(self, states: str) -> None:
        tokens = self.node("Reshape", states, "joined")
        normalised = self._architecture.normalised
        output = "pooled" if normalised else OUTPUT
        if self._architecture.pooling is Pooling.MEAN:
            self.node("ReduceMean", tokens, "zero", output=output, keepdims=0)
        else:
            self.node("Gather", tokens, self.constant(0), output=output, axis=0)
        if normalised:
            self.node("LpNormalization", "pooled", output=OUTPUT, axis=-1, p=2)

    def serialise(self) -> bytes:
        size_bytes = sum(len(constant.raw_data) for constant in self._constants)
        if size_bytes > _PROTOBUF_BYTES_MAX:
            raise UnsupportedModel(f"{size_bytes} bytes of weights exceed the 2 GiB of one file")
        size = self._architecture.hidden_size
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes,
            self._architecture.family,
            [tensor(INPUT, onnx.TensorProto.INT32, ["tokens", "texts"])],
            [tensor(OUTPUT, onnx.TensorProto.FLOAT, ["texts", size])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="stepwell",
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        contents: bytes = model.SerializeToString(deterministic=True)
        return contents
