"""Graphs that the embedding benchmark needs beside ours, and how much there is to compute."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from _embedding_arms import SIDE, TOKENS_PER_RUN, manifest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

PRODUCT_FLOPS = 2 * TOKENS_PER_RUN * SIDE * SIDE
_MASKED_OUT = -1e9


def prepare(model: Path, folder: Path) -> None:
    """Fills a folder with a masked graph in the layout of the hub, and one matrix product."""
    onnx.save(_masked(onnx.load(model / "model.onnx")), folder / "model.onnx")
    onnx.save(_product(), folder / "product.onnx")
    for name in ("manifest.json", "tokenizer.json"):
        shutil.copyfile(model / name, folder / name)
    limits = {"model_max_length": manifest(model)["max_tokens"], "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(limits))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))


def text_flops(model: Path, texts: Sequence[str]) -> int:
    """Of the matrix products that the texts need, without padding."""
    graph = onnx.load(model / "model.onnx").graph
    shapes = {it.name: tuple(it.dims) for it in graph.initializer}
    linear = [shapes[node.input[1]] for node in graph.node if node.op_type == "Gemm"]
    width, layers = linear[0][0], len(linear) // 6
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest(model)["max_tokens"])
    lengths = [len(it.ids) for it in tokenizer.encode_batch_fast(list(texts))]
    per_token = sum(2 * rows * columns for rows, columns in linear)
    return sum(length * (per_token + 4 * layers * width * length) for length in lengths)


def _masked(model: onnx.ModelProto) -> onnx.ModelProto:
    """Ours with a mask, texts first and states of all tokens as output, as the hub has them."""
    graph = model.graph
    nodes = []
    pooled = {output for node in graph.node for output in node.output if node.output[0] == "pooled"}
    for node in graph.node:
        if node.op_type == "Softmax":
            scores = node.input[0]
            nodes.append(helper.make_node("Add", [scores, "bias"], [f"{scores}_masked"]))
            node.input[0] = f"{scores}_masked"
        if not pooled & {*node.input, *node.output}:
            nodes.append(node)
    (states,) = {node.input[0] for node in graph.node if node.output[0] == "pooled"}
    head = [
        helper.make_node("Transpose", ["input_ids"], ["turned"], perm=[1, 0]),
        helper.make_node("Cast", ["turned"], ["ids"], to=TensorProto.INT32),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "middle"], ["wide_mask"]),
        helper.make_node("Sub", ["one", "wide_mask"], ["padding"]),
        helper.make_node("Mul", ["padding", "masked_out"], ["bias"]),
    ]
    for node in nodes:
        node.input[:] = ["ids" if name == "input_ids" else name for name in node.input]
    tail = helper.make_node("Transpose", [states], ["last_hidden_state"], perm=[1, 0, 2])
    constants = {
        "middle": np.array([1, 2]),
        "one": np.float32(1),
        "masked_out": np.float32(_MASKED_OUT),
    }
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*head, *nodes, tail])
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    tensor = helper.make_tensor_value_info
    graph.input.extend(
        tensor(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    )
    states_shape = ["texts", "tokens", "width"]
    graph.output.append(tensor("last_hidden_state", TensorProto.FLOAT, states_shape))
    return model


def _product() -> onnx.ModelProto:
    """Rows times a square matrix, as in a layer of the model."""
    tensor = helper.make_tensor_value_info
    square = numpy_helper.from_array(np.ones((SIDE, SIDE), dtype=np.float32), "square")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "square"], ["found"])],
        "product",
        [tensor("rows", TensorProto.FLOAT, [TOKENS_PER_RUN, SIDE])],
        [tensor("found", TensorProto.FLOAT, [TOKENS_PER_RUN, SIDE])],
        [square],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)
