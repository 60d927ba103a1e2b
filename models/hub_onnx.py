"""Graphs that others exported, brought to our contract: wrapped, nothing inside is changed.

Such a graph takes `input_ids` and mostly `attention_mask` and `token_type_ids`, (texts, tokens),
and gives a vector per token, to be pooled, or one per text. The wrapper makes the mask (all ones:
our batches have no padding) and the types (all zeros), and pools and normalises what comes out.
Which output that is follows from its name or is told: shapes alone do not tell states from scores,
nor the vector of a text from what a classifier takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # has no types
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from stepwell.models.architecture import Pooling, Usage
from stepwell.models.arrays import Ids, Vectors
from stepwell.models.errors import FileDamaged, GraphContract, InferenceFailed
from stepwell.models.inspection import STANDARD_DOMAINS, inspect_graph
from stepwell.models.runtime import INPUT, OUTPUT, run_foreign

Number = type[np.int32] | type[np.int64]

PER_TOKEN = ("last_hidden_state", "token_embeddings")
PER_TEXT = ("sentence_embedding", "sentence_embeddings", "text_embedding", "dense_vecs")

_FILLED = {"attention_mask": 1, "token_type_ids": 0}
_NUMBERS: dict[int, Number] = {TensorProto.INT32: np.int32, TensorProto.INT64: np.int64}
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
_AXES_PER_TEXT, _AXES_PER_TOKEN = 2, 3
_INSTEAD = "export the model from its safetensors files instead"
_PREFIX = "hub/"
_WIDE = "/float32"
_OPSET_MIN = 11  # what the hub has; older operators mean other things
_OPSET_REDUCE_INPUT = 18  # the first where ReduceMean takes its axes as an input


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    """A graph of the hub whose inputs and outputs are understood."""

    model: onnx.ModelProto
    inputs: dict[str, Number]
    """Names of the inputs, and the numpy type of each."""

    output: str
    pooled: bool
    """Whether the output has one vector for each text already."""

    single: bool
    """Whether it takes one text at a time, or may give other vectors for more in some batches."""

    def feeds(self, ids: NDArray[np.int32]) -> dict[str, NDArray[np.int32 | np.int64]]:
        """What the graph itself is to be fed with for one text."""
        values = {INPUT: ids[None, :], **_FILLED}
        return {
            name: np.broadcast_to(np.asarray(values[name], dtype=kind), (1, len(ids)))
            for name, kind in self.inputs.items()
        }


def read_foreign(contents: bytes, path: Path, *, output: str | None = None) -> ForeignGraph:
    """Inspects a graph of the hub; what cannot be run right is refused and says why.

    `output` names the one that holds the vectors, if it is none of those known by name.
    """
    inspect_graph(contents, path, beyond={}, unused_imports=True)
    try:
        model = onnx.ModelProto.FromString(contents)
    except DecodeError as error:
        raise FileDamaged(path, f"is no ONNX model, or a damaged one: {error}") from error
    standard = [it for it in model.opset_import if it.domain in STANDARD_DOMAINS]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    if _opset(model) < _OPSET_MIN:
        raise GraphContract(path, f"is of opset {_opset(model)}, at least {_OPSET_MIN} is expected")
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = {it.name: it for it in model.graph.input if it.name not in stored}
    if INPUT not in inputs or inputs.keys() - {INPUT, *_FILLED}:
        raise GraphContract(
            path,
            f"its inputs are {', '.join(inputs) or 'none'}; expected are {INPUT} and at most "
            f"{' and '.join(_FILLED)}: {_INSTEAD}",
        )
    for it in inputs.values():
        _refuse_input(it, path)
    found = _output(model.graph, path, output)
    _widen(model.graph, found)
    return ForeignGraph(
        model=model,
        inputs={name: _NUMBERS[_element(it)] for name, it in inputs.items()},
        output=found.name,
        pooled=_is_per_text(found, path),
        # Rounding to 16 bits hides mostly, not always, that a sum was another alone.
        single=_sizes(inputs[INPUT])[:1] == [1] or _has_16_bits(model.graph),
    )


def foreign_vectors(
    foreign: ForeignGraph, usage: Usage, texts: Sequence[Ids], path: Path
) -> Vectors:
    """The vectors that the graph itself gives, one text at a time, pooled here in numpy."""
    contents = foreign.model.SerializeToString()
    vectors = []
    for ids in texts:
        try:
            found = run_foreign(contents, path, foreign.output + _WIDE, foreign.feeds(ids))
        except InferenceFailed as error:
            raise GraphContract(
                path, f"cannot be run on a text of {len(ids)} tokens: {_INSTEAD} ({error.detail})"
            ) from error
        axes = (1,) if foreign.pooled else (1, len(ids))
        if found.shape[:-1] != axes:
            raise GraphContract(
                path,
                f"output {foreign.output} of one text of {len(ids)} tokens is {found.shape}, "
                f"expected {(*axes, 'dimension')}",
            )
        states = found[0].astype(np.float64)
        if not foreign.pooled:
            states = states.mean(axis=0) if usage.pooling is Pooling.MEAN else states[0]
        vectors.append(states / np.linalg.norm(states) if usage.normalised else states)
    return np.stack(vectors).astype(np.float32)


def wrap(foreign: ForeignGraph, usage: Usage, *, dimension: int, one_by_one: bool) -> bytes:
    """A graph of our contract; `one_by_one` runs the texts of a batch after one another."""
    model = compose.add_prefix(foreign.model, _PREFIX)
    wrapper = _Wrapper(foreign, usage, opset=_opset(model), dimension=dimension)
    if one_by_one:
        nodes = [_scan(wrapper, model, dimension)]
    else:
        wrapper.feed(wrapper.node("Transpose", INPUT, perm=[1, 0]))
        wrapper.nodes.extend(model.graph.node)
        wrapper.vectors(output=OUTPUT)
        nodes = wrapper.nodes
    return _serialise(model, nodes, wrapper.constants, dimension)


def _scan(wrapper: "_Wrapper", model: onnx.ModelProto, dimension: int) -> onnx.NodeProto:
    """An operator that runs the wrapped graph for each text by itself."""
    wrapper.feed(wrapper.node("Reshape", "row", wrapper.constant([1, -1])))
    wrapper.nodes.extend(model.graph.node)
    vectors = wrapper.vectors(output=None)
    vector = wrapper.node("Reshape", vectors, wrapper.constant([-1]), output="vector")
    body = helper.make_graph(
        wrapper.nodes,
        "one text",
        [helper.make_tensor_value_info("row", TensorProto.INT32, ["tokens"])],
        [helper.make_tensor_value_info(vector, TensorProto.FLOAT, [dimension])],
    )
    return helper.make_node(
        "Scan", [INPUT], [OUTPUT], body=body, num_scan_inputs=1, scan_input_axes=[1]
    )


class _Wrapper:
    """Nodes and constants around a prefixed graph. A method returns its output's name."""

    def __init__(self, foreign: ForeignGraph, usage: Usage, *, opset: int, dimension: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._foreign = foreign
        self._usage = usage
        self._opset = opset
        self._dimension = dimension

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def constant(self, values: int | list[int]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def feed(self, ids: str) -> None:
        """The inputs of the graph, from ids (texts, tokens)."""
        shape = self.node("Shape", ids)
        for name, kind in self._foreign.inputs.items():
            if name in _FILLED:
                value = numpy_helper.from_array(np.array([_FILLED[name]], dtype=kind))
                self.node("ConstantOfShape", shape, output=_PREFIX + name, value=value)
            else:
                to = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
                self.node("Cast", ids, output=_PREFIX + name, to=to)

    def vectors(self, *, output: str | None) -> str:
        """Pools and normalises what the graph gives."""
        found = _PREFIX + self._foreign.output + _WIDE
        if not self._foreign.pooled:
            found = self._pool(found)
        if self._usage.normalised:
            return self.node("LpNormalization", found, output=output, axis=-1, p=2)
        return self.node("Identity", found, output=output)

    def _pool(self, states: str) -> str:
        if self._usage.pooling is Pooling.CLS:
            return self.node("Gather", states, self.constant(0), axis=1)
        # Tokens first, and flat, or else a text alone would be summed in another order than many.
        tokens = self.node("Flatten", self.node("Transpose", states, perm=[1, 0, 2]), axis=1)
        if self._opset < _OPSET_REDUCE_INPUT:
            means = self.node("ReduceMean", tokens, axes=[0], keepdims=0)
        else:
            means = self.node("ReduceMean", tokens, self.constant([0]), keepdims=0)
        return self.node("Reshape", means, self.constant([-1, self._dimension]))


def _serialise(
    model: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    dimension: int,
) -> bytes:
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "wrapped",
        [tensor(INPUT, TensorProto.INT32, ["tokens", "texts"])],
        [tensor(OUTPUT, TensorProto.FLOAT, ["texts", dimension])],
        [*model.graph.initializer, *constants],
    )
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    wrapped = helper.make_model(
        graph,
        producer_name="stepwell",
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    contents: bytes = wrapped.SerializeToString(deterministic=True)
    return contents


def _opset(model: onnx.ModelProto) -> int:
    return max((it.version for it in model.opset_import if it.domain in ("", "ai.onnx")), default=0)


def _element(value: onnx.ValueInfoProto) -> int:
    kind: int = value.type.tensor_type.elem_type
    return kind


def _sizes(value: onnx.ValueInfoProto) -> list[int | None]:
    """The size of each axis, None where it may vary; empty where no shape is declared."""
    dimensions = value.type.tensor_type.shape.dim
    return [it.dim_value if it.dim_value > 0 else None for it in dimensions]


def _has_16_bits(graph: onnx.GraphProto) -> bool:
    return any(it.data_type == TensorProto.FLOAT16 for it in graph.initializer)


def _refuse_input(value: onnx.ValueInfoProto, path: Path) -> None:
    sizes = _sizes(value)
    if _element(value) not in _NUMBERS:
        kind = TensorProto.DataType.Name(_element(value))
        raise GraphContract(path, f"input {value.name} is {kind}, INT32 or INT64 expected")
    if not value.type.tensor_type.HasField("shape"):
        return
    if len(sizes) != 2:
        raise GraphContract(path, f"input {value.name} has {len(sizes)} axes, 2 expected")
    if sizes[0] not in (None, 1):
        raise GraphContract(path, f"input {value.name} takes exactly {sizes[0]} texts at a time")
    if sizes[1] is not None:
        raise GraphContract(
            path,
            f"input {value.name} takes exactly {sizes[1]} tokens; texts have any number: "
            f"{_INSTEAD}",
        )


def _output(graph: onnx.GraphProto, path: Path, wanted: str | None) -> onnx.ValueInfoProto:
    outputs: dict[str, onnx.ValueInfoProto] = {it.name: it for it in graph.output}
    known = (*PER_TOKEN, *PER_TEXT) if wanted is None else (wanted,)
    found = next((outputs[name] for name in known if name in outputs), None)
    if found is None:
        raise GraphContract(
            path,
            f"its outputs are {', '.join(map(_described, outputs.values()))}; expected is "
            f"{' or '.join(known)}. If another holds the vectors of the tokens (3 axes) or of the "
            "text (2 axes), name it: `stepwell model export --output-name NAME`",
        )
    if _element(found) not in _FLOATS:
        raise GraphContract(path, f"output {_described(found)} expected in FLOAT or FLOAT16")
    return found


def _widen(graph: onnx.GraphProto, output: onnx.ValueInfoProto) -> None:
    """Makes the output in 32 bits the only one.

    Of a graph in 16 bits, onnxruntime rounds to 16 what is asked for, and not what goes on into our
    nodes: the self-test would differ by that.
    """
    wide = output.name + _WIDE
    graph.node.append(helper.make_node("Cast", [output.name], [wide], to=TensorProto.FLOAT))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(wide, TensorProto.FLOAT, None))


def _is_per_text(output: onnx.ValueInfoProto, path: Path) -> bool:
    """Whether an output has one vector for each text, from its name or else from its axes."""
    if output.name in (*PER_TOKEN, *PER_TEXT):
        return output.name in PER_TEXT
    axes = len(_sizes(output))
    if axes not in (_AXES_PER_TEXT, _AXES_PER_TOKEN):
        raise GraphContract(
            path,
            f"output {_described(output)} is neither (texts, tokens, dimension) nor "
            "(texts, dimension)",
        )
    return axes == _AXES_PER_TEXT


def _described(value: onnx.ValueInfoProto) -> str:
    sizes = ", ".join("any" if size is None else str(size) for size in _sizes(value))
    return f"{value.name} {TensorProto.DataType.Name(_element(value))} ({sizes})"
