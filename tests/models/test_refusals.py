"""Model files are treated as code: what is not exactly what was pinned is refused, and says why."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from stepwell.models import Embedder
from stepwell.models.errors import (
    ExternalData,
    FileDamaged,
    FileIsPointer,
    FileMissing,
    FileOutside,
    FileTruncated,
    ForeignOperators,
    GraphContract,
    HashMismatch,
    MemoryShort,
    ModelError,
    ModelNotFound,
    SelfTestFailed,
)
from stepwell.models.files import pin
from stepwell.models.manifest import GRAPH, MANIFEST, read_manifest, write_manifest
from stepwell.models.model import load_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n"


def refused(directory: Path, kind: type[ModelError], match: str) -> None:
    with pytest.raises(kind, match=match):
        load_model(directory)


def repin(directory: Path) -> None:
    """Makes the manifest vouch for the files as they are now."""
    manifest = read_manifest(directory)
    files = tuple(pin(directory / file.name) for file in manifest.files)
    write_manifest(replace(manifest, files=files), directory)


def change_graph(directory: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(directory / GRAPH)
    change(model)
    (directory / GRAPH).write_bytes(model.SerializeToString())
    repin(directory)


def test_a_folder_without_a_model_says_how_to_get_one(tmp_path):
    refused(tmp_path, ModelNotFound, r"holds no model .*run `stepwell model pull`")


def test_a_missing_file(tiny_model):
    (tiny_model / GRAPH).unlink()
    refused(tiny_model, FileMissing, r"model.onnx: does not exist")


def test_a_directory_in_place_of_a_file(tiny_model):
    (tiny_model / GRAPH).unlink()
    (tiny_model / GRAPH).mkdir()
    refused(tiny_model, FileMissing, r"model.onnx: is a directory")


def test_a_pipe_in_place_of_a_file(tiny_model):
    (tiny_model / GRAPH).unlink()
    os.mkfifo(tiny_model / GRAPH)  # reading it would never end
    refused(tiny_model, FileMissing, r"model.onnx: is no regular file")


def test_a_link_out_of_the_folder(tiny_model):
    (tiny_model / GRAPH).rename(tiny_model.parent / "elsewhere.onnx")
    (tiny_model / GRAPH).symlink_to("../elsewhere.onnx")
    refused(tiny_model, FileOutside, r"model.onnx: is a link that leads out of the folder, to /.*")


def test_a_link_that_leads_back_to_itself(tiny_model):
    (tiny_model / GRAPH).unlink()
    (tiny_model / GRAPH).symlink_to(GRAPH)
    refused(tiny_model, FileMissing, r"model.onnx: ")


def test_links_inside_the_folder_and_a_folder_that_is_one_are_followed(tiny_model):
    """As volumes are mounted by Kubernetes, and as people keep a `current`."""
    (tiny_model / "..data").mkdir()
    (tiny_model / GRAPH).rename(tiny_model / "..data" / GRAPH)
    (tiny_model / GRAPH).symlink_to(f"..data/{GRAPH}")
    current = tiny_model.parent / "current"
    current.symlink_to(tiny_model)
    assert load_model(current).manifest.dimension == 16


@pytest.mark.parametrize(
    ("contents", "looks"),
    [
        (b"", "an empty file"),
        (b"not a model\n", "text"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x08\x09\x00\xff", "binary data"),
    ],
)
def test_a_short_file_is_described(tiny_model, contents, looks):
    (tiny_model / GRAPH).write_bytes(contents)
    refused(tiny_model, FileTruncated, rf"holds {len(contents)} bytes of \d+; .*like {looks}")


def test_a_git_lfs_pointer(tiny_model):
    (tiny_model / GRAPH).write_bytes(POINTER)
    refused(tiny_model, FileIsPointer, r"Git LFS pointer.*git lfs pull")


def test_a_truncated_graph(tiny_model):
    contents = (tiny_model / GRAPH).read_bytes()
    (tiny_model / GRAPH).write_bytes(contents[:-1])
    refused(tiny_model, FileTruncated, rf"holds {len(contents) - 1} bytes of {len(contents)}")


def test_a_file_with_something_behind_its_end(tiny_model):
    with (tiny_model / GRAPH).open("ab") as file:
        file.write(b"more")
    refused(tiny_model, HashMismatch, r"model.onnx: holds more than the pinned \d+ bytes")


def test_a_model_that_does_not_fit_the_memory(tiny_model):
    manifest = read_manifest(tiny_model)
    huge = tuple(replace(it, size_bytes=1 << 50) for it in manifest.files)
    write_manifest(replace(manifest, files=huge), tiny_model)
    refused(tiny_model, MemoryShort, r"takes about .* of memory, and .* are available: .* smaller")


@pytest.mark.parametrize("name", [GRAPH, "tokenizer.json"])
def test_one_changed_byte(tiny_model, name):
    contents = bytearray((tiny_model / name).read_bytes())
    contents[len(contents) // 2] ^= 1
    (tiny_model / name).write_bytes(contents)
    refused(tiny_model, HashMismatch, rf"{name}: sha256 \w+ is not the pinned \w+")


@pytest.mark.parametrize("contents", [b"\xff" * 4000, bytes(4000), b"text " * 800])
def test_bytes_that_are_no_graph_even_when_the_manifest_vouches(tiny_model, contents):
    (tiny_model / GRAPH).write_bytes(contents)
    repin(tiny_model)
    refused(tiny_model, FileDamaged, r"model.onnx: is no ONNX model")


def test_a_truncated_graph_even_when_the_manifest_vouches(tiny_model):
    (tiny_model / GRAPH).write_bytes((tiny_model / GRAPH).read_bytes()[:-100])
    repin(tiny_model)
    refused(tiny_model, FileDamaged, r"model.onnx: is no ONNX model")


def test_a_graph_of_a_future_onnx(tiny_model):
    def modernise(model):
        model.opset_import[0].version = 999

    change_graph(tiny_model, modernise)
    refused(tiny_model, FileDamaged, r"is refused by onnxruntime")


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd"])
def test_a_tensor_in_another_file(tiny_model, location):
    def move_out(model):
        tensor = model.graph.initializer[-1]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    change_graph(tiny_model, move_out)
    refused(tiny_model, ExternalData, r"tensor '.*' lies in another file")


def test_a_tensor_in_another_file_hidden_in_a_nested_graph(tiny_model):
    def hide(model):
        value = helper.make_tensor("far", TensorProto.FLOAT, [1], [0.0])
        value.data_location = TensorProto.EXTERNAL
        constant = helper.make_node("Constant", [], ["far"], value=value)
        branch = helper.make_graph([constant], "branch", [], [])
        node = helper.make_node("If", ["zero"], ["x"], then_branch=branch, else_branch=branch)
        model.graph.node.append(node)

    change_graph(tiny_model, hide)
    refused(tiny_model, ExternalData, r"tensor 'far' lies in another file")


def test_a_tensor_in_another_file_that_is_all_a_nested_graph_holds(tiny_model):
    def hide(model):
        value = helper.make_tensor("far", TensorProto.FLOAT, [1], [0.0])
        value.data_location = TensorProto.EXTERNAL
        branch = helper.make_graph([], "branch", [], [], [value])
        node = helper.make_node("If", ["zero"], ["x"], then_branch=branch, else_branch=branch)
        model.graph.node.append(node)

    change_graph(tiny_model, hide)
    refused(tiny_model, ExternalData, r"tensor 'far' lies in another file")


@pytest.mark.parametrize(
    "domain", ["com.example", "com.microsoft", "ai.onnx.contrib", "ai.onnx.ml"]
)
def test_operators_outside_the_standard(tiny_model, domain):
    def add(model):
        model.graph.node.append(helper.make_node("Anything", ["zero"], ["x"], domain=domain))

    change_graph(tiny_model, add)
    refused(tiny_model, ForeignOperators, rf"needs operators of {domain}")


def test_a_domain_that_is_only_imported(tiny_model):
    def add(model):
        model.opset_import.append(helper.make_opsetid("com.example", 1))

    change_graph(tiny_model, add)
    refused(tiny_model, ForeignOperators, r"imports the domain com.example without need")


def test_functions_of_its_own(tiny_model):
    change_graph(tiny_model, lambda model: model.functions.add(name="f", domain="ai.onnx"))
    refused(tiny_model, ForeignOperators, r"functions of its own; .* safetensors files")


def rename_input(model):
    model.graph.input[0].name = "tokens"
    for node in model.graph.node:
        node.input[:] = ["tokens" if name == "input_ids" else name for name in node.input]


def add_input(model):
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["a", "b"])
    model.graph.input.append(mask)


def widen_input(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def fix_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1


@pytest.mark.parametrize("change", [rename_input, add_input, widen_input, fix_batch])
def test_other_inputs_than_ours(tiny_model, change):
    change_graph(tiny_model, change)
    refused(tiny_model, GraphContract, r"its inputs are .*, expected .*input_ids.*int32")


def test_another_dimension_than_the_manifest_says(tiny_model, make_source, export_tiny):
    wider = make_source("wider", size=32)
    other = export_tiny(wider, wider.parent / "other")
    shutil.copyfile(other / GRAPH, tiny_model / GRAPH)
    repin(tiny_model)
    refused(tiny_model, GraphContract, r"its outputs are .*32.*, expected .*16")


def test_the_graph_of_another_model(tiny_model, make_source, export_tiny):
    other = make_source("other", seed=2)
    shutil.copyfile(export_tiny(other, other.parent / "x") / GRAPH, tiny_model / GRAPH)
    repin(tiny_model)
    refused(tiny_model, SelfTestFailed, r"stored vectors of the self-test are missed by")


def test_the_tokenizer_of_another_model(tiny_model):
    path = tiny_model / "tokenizer.json"
    document = json.loads(path.read_text())
    vocabulary = document["model"]["vocab"]
    vocabulary["##e"], vocabulary["##o"] = vocabulary["##o"], vocabulary["##e"]
    path.write_text(json.dumps(document))
    repin(tiny_model)
    refused(tiny_model, SelfTestFailed, r"tokenizer or graph are not those of the manifest")


def test_a_tokenizer_with_ids_beyond_the_vocabulary(tiny_model):
    path = tiny_model / "tokenizer.json"
    document = json.loads(path.read_text())
    vocabulary = document["model"]["vocab"]
    vocabulary["a"] = vocabulary["##a"] = 10_000
    path.write_text(json.dumps(document))
    repin(tiny_model)
    refused(tiny_model, SelfTestFailed, r".")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 2}, r"format 2, this version reads 1: run `stepwell model pull` again"),
        ({"dimension": "16"}, r"dimension is '16', int expected"),
        ({"dimension": 17}, r"the vectors of the self-test have shape"),
        ({"pooling": "max"}, r"'max' is not a valid Pooling"),
        ({"model_id": None}, r"model_id is None, str expected"),
        ({"files": []}, r"files are not exactly model.onnx and tokenizer.json"),
        ({"self_test": {"texts": ["a"], "vectors_base64": "AAA"}}, r"a field is missing or wrong"),
    ],
)
def test_a_manifest_with_a_wrong_field(tiny_model, change, match):
    path = tiny_model / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(tiny_model, FileDamaged, match)


@pytest.mark.parametrize("contents", ["", "{", "[]", "\x00"])
def test_a_manifest_that_is_no_json_object(tiny_model, contents):
    (tiny_model / MANIFEST).write_text(contents)
    refused(tiny_model, FileDamaged, r"manifest.json: (?:is not JSON|holds a list)")


def test_files_replaced_while_a_model_runs_change_nothing(tiny_model):
    with Embedder.load(tiny_model) as embedder:
        before = embedder.embed_texts(["done"])
        (tiny_model / GRAPH).write_bytes(b"something else")
        assert np.array_equal(embedder.embed_texts(["done"]), before)
    refused(tiny_model, FileTruncated, r"model.onnx")
