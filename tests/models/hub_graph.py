"""Graphs as others export them, and directories of the hub that hold them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stepwell.models.export import export_onnx

TEXTS = ["done", "twice", "done twice", "", "a+b", "some longer text, with 42 (words)", "x " * 50]
SIZE = 12
WORDS = 100
INT32, INT64 = TensorProto.INT32, TensorProto.INT64
Change = Callable[[onnx.ModelProto], None]


def tables() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    shapes = {"words": (WORDS, SIZE), "types": (2, SIZE), "mix": (SIZE, SIZE)}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def states_by_hand(ids: np.ndarray) -> np.ndarray:
    """What the graph below computes for one text, in float64."""
    table = {name: it.astype(np.float64) for name, it in tables().items()}
    states = table["words"][ids] + table["types"][0]
    scores = states @ table["mix"] @ states.T
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.tanh(weights / weights.sum(-1, keepdims=True) @ states)


def foreign_model(
    *,
    kind: int = INT64,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
    output: str = "last_hidden_state",
    batch: int | str = "batch",
    tokens: int | str = "tokens",
    opset: int = 17,
) -> onnx.ModelProto:
    """An encoder as the hub has them: (texts, tokens) and a mask."""
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["looked_up"])]
    if "token_type_ids" in inputs:
        nodes.append(helper.make_node("Gather", ["types", "token_type_ids"], ["typed"]))
    else:
        nodes.append(helper.make_node("Gather", ["types", "zero"], ["typed"]))
    nodes += [
        helper.make_node("Add", ["looked_up", "typed"], ["states"]),
        helper.make_node("MatMul", ["states", "mix"], ["mixed"]),
        helper.make_node("Transpose", ["states"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["mixed", "turned"], ["scores"]),
    ]
    if "attention_mask" in inputs:
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["mask", "one"], ["absent"]),
            helper.make_node("Mul", ["absent", "huge"], ["penalty"]),
            helper.make_node("Reshape", ["penalty", "row"], ["spread"]),
            helper.make_node("Add", ["scores", "spread"], ["embedding"]),  # a name that is ours
        ]
    else:
        nodes.append(helper.make_node("Identity", ["scores"], ["embedding"]))
    nodes += [
        helper.make_node("Softmax", ["embedding"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "states"], ["attended"]),
    ]
    pooled = output == "sentence_embedding"
    nodes.append(helper.make_node("Tanh", ["attended"], ["every" if pooled else output]))
    if pooled:
        nodes.append(helper.make_node("ReduceMean", ["every"], [output], axes=[1], keepdims=0))
    constants = tables() | {
        "zero": np.int64(0),
        "one": np.float32(1),
        "huge": np.float32(1e4),
        "row": np.array([0, 1, -1]),
    }
    shape = [batch, SIZE] if pooled else [batch, tokens, SIZE]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(name, kind, [batch, tokens]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(it), name) for name, it in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model)
    return model


def leave_shapes_open(model: onnx.ModelProto) -> None:
    """Removes the declared shapes."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")


def renamed(name: str) -> Change:
    """Gives the output another name."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = model.graph.output[0].name = name

    return change


def maker(make_source: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """What exports a directory of the hub that holds such a graph; it gives that of ours."""

    def make(
        change: Change = lambda _model: None,
        pooling: str = "mean",
        named: str | None = None,
        **options: Any,
    ) -> Path:
        source = make_source(f"published-{len(list(tmp_path.iterdir()))}")
        (source / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
        (source / "onnx").mkdir()
        model = foreign_model(**options)
        change(model)
        (source / "onnx" / "model.onnx").write_bytes(model.SerializeToString())
        destination = tmp_path / f"model-{source.name}"
        export_onnx(source, destination, graph="onnx/model.onnx", name="foreign", output=named)
        return destination

    return make
