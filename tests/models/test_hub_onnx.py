"""Graphs that others exported run as ours do: same contract, same vectors, whatever the batch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stepwell.models import Embedder
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
from stepwell.models.model import load_model

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


@pytest.fixture
def make(make_source, tmp_path):
    """Exports a directory of the hub that holds such a graph; gives the directory of ours."""

    def make(change: Change = lambda _model: None, pooling: str = "mean", **options: Any) -> Path:
        source = make_source(f"published-{len(list(tmp_path.iterdir()))}")
        (source / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
        (source / "onnx").mkdir()
        model = foreign_model(**options)
        change(model)
        (source / "onnx" / "model.onnx").write_bytes(model.SerializeToString())
        destination = tmp_path / f"model-{source.name}"
        export_onnx(source, destination, graph="onnx/model.onnx", name="foreign")
        return destination

    return make


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


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch": 4}, r"input input_ids takes exactly 4 texts at a time"),
        ({"tokens": 128}, r"input input_ids takes exactly 128 tokens; texts have any number"),
        ({"output": "logits"}, r"its outputs are logits; expected is one of last_hidden_state"),
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
        (add_positions, r"its inputs are .*position_ids; expected are input_ids and at most"),
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

    with pytest.raises(GraphContract, match=r"output last_hidden_state of one text is \(1, 12\)"):
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

    with pytest.raises(ForeignOperators, match=r"needs operators of com.microsoft"):
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


def test_a_limit_that_is_too_large_for_the_graph_is_that_of_the_config(make_source, tmp_path):
    source = make_source(config={"max_position_embeddings": 20})
    (source / "model.onnx").write_bytes(foreign_model().SerializeToString())
    made = export_onnx(source, tmp_path / "model", graph="model.onnx", name="foreign")
    assert made.max_tokens == 20


def test_a_layer_after_the_pooling_is_refused_here_too(make_source, tmp_path):
    source = make_source()
    (source / "modules.json").write_text('[{"type": "models.Dense", "path": "2_Dense"}]')
    (source / "model.onnx").write_bytes(foreign_model().SerializeToString())
    with pytest.raises(UnsupportedModel, match="module Dense is not supported"):
        export_onnx(source, tmp_path / "model", graph="model.onnx", name="foreign")


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
