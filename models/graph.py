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
    builder = GraphBuilder(architecture)
    builder.embed(weights)
    states = builder.norm(builder.node("Add", "words", "positions"), weights.embedding_norm)
    states = builder.node("Reshape", states, "flat")
    for layer in weights.layers:
        states = builder.layer(states, layer)
    builder.pool(states)
    return builder.serialise()


class GraphBuilder:
    """Nodes and constants under construction. A method adds nodes and returns its output's name."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.head_size = architecture.hidden_size // architecture.heads
        self._model = _empty_model(architecture)
        self._graph = self._model.graph  # is added to: gigabytes of weights are not copied again

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """An operator; its output is named after it unless told otherwise."""
        output = output or f"{kind}_{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def constant(self, values: ArrayLike, name: str | None = None) -> str:
        """A constant tensor."""
        name = name or f"constant_{len(self._graph.initializer)}"
        array = np.asarray(values, order="C")  # keeps a scalar a scalar
        self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def embed(self, weights: Weights) -> None:
        """Word and position embeddings, and the three shapes that the rest needs."""
        size, heads = self.architecture.hidden_size, self.architecture.heads
        zero, one = self.constant([0], "zero"), self.constant([1])
        shape = self.node("Shape", INPUT, output="shape")
        self.constant([-1, size], "flat")
        self.node("Concat", shape, self.constant([heads, self.head_size]), output="split", axis=0)
        self.node("Concat", shape, self.constant([size]), output="joined", axis=0)
        narrow = weights.words.dtype == np.float16
        stored = "stored_words" if narrow else "words"
        self.node("Gather", self.constant(weights.words), INPUT, output=stored)
        if narrow:
            self.node("Cast", stored, output="words", to=onnx.TensorProto.FLOAT)
        padding = self.architecture.padding_id
        if padding is None:
            tokens = self.node("Slice", shape, zero, one)
            table = self.constant(weights.positions[:, None, :])
            self.node("Slice", table, zero, tokens, zero, output="positions")
        else:
            rows = self.rows_of_positions(padding, last=len(weights.positions) - 1)
            self.node("Gather", self.constant(weights.positions), rows, output="positions")

    def rows_of_positions(self, padding: int, *, last: int) -> str:
        """The row of the positions for each token. Padding has the last, and does not count."""
        is_padding = self.node("Equal", INPUT, self.constant(np.int32(padding)))
        counted = self.node("Cast", self.node("Not", is_padding), to=onnx.TensorProto.INT32)
        before = self.node("CumSum", counted, self.constant(0), exclusive=1)
        return self.node("Where", is_padding, self.constant(np.int32(last)), before)

    def norm(self, states: str, norm: Norm) -> str:
        """Layer normalisation."""
        scale, bias = self.constant(norm.scale), self.constant(norm.bias)
        epsilon = self.architecture.layer_norm_eps
        return self.node("LayerNormalization", states, scale, bias, axis=-1, epsilon=epsilon)

    def linear(self, states: str, linear: Linear) -> str:
        """A linear layer on rows of states."""
        return self.node("Gemm", states, self.constant(linear.weight), self.constant(linear.bias))

    def layer(self, states: str, layer: Layer) -> str:
        """One layer of the encoder on rows of states."""
        attended = self.linear(self.attention(states, layer), layer.attention_out)
        states = self.norm(self.node("Add", attended, states), layer.attention_norm)
        expanded = self.linear(states, layer.expand)
        contracted = self.linear(self.activate(expanded), layer.contract)
        return self.norm(self.node("Add", contracted, states), layer.output_norm)

    def activate(self, states: str) -> str:
        """The activation between the two linear layers."""
        match self.architecture.activation:
            case Activation.EXACT:
                return self.node("Gelu", states, approximate="none")
            case Activation.TANH:
                return self.node("Gelu", states, approximate="tanh")
            case Activation.RELU:
                return self.node("Relu", states)
            case Activation.SILU:
                return self.node("Mul", states, self.node("Sigmoid", states))

    def attention(self, states: str, layer: Layer) -> str:
        """Softmax(query · key / √size) · value per head; the scale is folded into the query."""
        scale = np.float32(1 / math.sqrt(self.head_size))
        scaled_query = Linear(layer.query.weight * scale, layer.query.bias * scale)
        query = self.linear(states, scaled_query)
        return self.attend(query, self.linear(states, layer.key), self.linear(states, layer.value))

    def attend(self, query: str, key: str, value: str) -> str:
        """Softmax(query · key) · value per head, of projections."""
        scores = self.node("MatMul", self.heads(query, [1, 2, 0, 3]), self.heads(key, [1, 2, 3, 0]))
        weights = self.node("Softmax", scores, axis=-1)
        attended = self.node("MatMul", weights, self.heads(value, [1, 2, 0, 3]))
        return self.node("Reshape", self.node("Transpose", attended, perm=[2, 0, 1, 3]), "flat")

    def heads(self, projected: str, order: list[int]) -> str:
        """A projection as (tokens, texts, heads, channels), brought into `order`."""
        return self.node("Transpose", self.node("Reshape", projected, "split"), perm=order)

    def pool(self, states: str) -> None:
        """From states to one vector per text: the output of the graph."""
        tokens = self.node("Reshape", states, "joined")
        normalised = self.architecture.normalised
        output = "pooled" if normalised else OUTPUT
        if self.architecture.pooling is Pooling.MEAN:
            self.node("ReduceMean", tokens, "zero", output=output, keepdims=0)
        else:
            self.node("Gather", tokens, self.constant(0), output=output, axis=0)
        if normalised:
            self.node("LpNormalization", "pooled", output=OUTPUT, axis=-1, p=2)

    def serialise(self) -> bytes:
        """The model; nothing may be added afterwards."""
        size_bytes = sum(len(constant.raw_data) for constant in self._graph.initializer)
        if size_bytes > _PROTOBUF_BYTES_MAX:
            raise UnsupportedModel(f"{size_bytes} bytes of weights exceed the 2 GiB of one file")
        for domain in sorted({node.domain for node in self._graph.node} - {""}):
            self._model.opset_import.append(helper.make_opsetid(domain, 1))
        contents: bytes = self._model.SerializeToString(deterministic=True)
        return contents


def _empty_model(architecture: Architecture) -> onnx.ModelProto:
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [],
        architecture.family,
        [tensor(INPUT, onnx.TensorProto.INT32, ["tokens", "texts"])],
        [tensor(OUTPUT, onnx.TensorProto.FLOAT, ["texts", architecture.hidden_size])],
    )
    return helper.make_model(
        graph,
        producer_name="stepwell",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
