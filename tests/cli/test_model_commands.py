"""`stepwell model` on real models, tiny ones: list, export, verify, bench, pull by name."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from stepwell.models import PRESETS
from stepwell.models.model import load_model
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from tests.models.tiny import VOCABULARY, write_source

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    """Runs `stepwell model` with a cache of its own."""
    monkeypatch.setenv("STEPWELL_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str, **environ: str) -> Result:
        invocation = Invocation(environ=environ, directory=tmp_path)
        return CliRunner().invoke(cli, ["model", *arguments], obj=invocation, prog_name="stepwell")

    return run


@pytest.fixture
def source(tmp_path) -> Path:
    directory = tmp_path / "tiny-bert"
    directory.mkdir()
    write_source(directory)
    return directory


def test_a_directory_is_exported_into_the_cache_and_used_by_its_name(run, source, tmp_path):
    result = run("export", str(source), "--json")
    made = json.loads(result.stdout)
    assert made["directory"] == str(tmp_path / "cache" / "models" / "tiny-bert")
    assert (made["dimension"], made["max_tokens"], made["pooling"]) == (16, 32, "mean")
    verified = json.loads(run("verify", "tiny-bert", "--json").stdout)
    assert (verified["model_id"], verified["passed"]) == (made["model"], True)


def test_a_model_is_verified_with_vectors_that_somebody_else_made(run, source, tmp_path):
    run("export", str(source))
    reference = tmp_path / "reference"
    reference.mkdir()
    texts = ["done", "", "twice " * 99]
    (reference / "texts.json").write_text(json.dumps(texts))
    vectors = load_model(tmp_path / "cache" / "models" / "tiny-bert").vectors(texts)
    np.save(reference / "vectors.npy", vectors)
    arguments = ("verify", "tiny-bert", "--reference", str(reference), "--json")
    report = json.loads(run(*arguments).stdout)
    assert (report["texts"], report["texts_truncated"], report["passed"]) == (3, 1, True)
    np.save(reference / "vectors.npy", -vectors)
    assert run(*arguments).exit_code == 1


def test_texts_and_vectors_may_be_files_of_any_name(run, source, tmp_path):
    run("export", str(source))
    (tmp_path / "three.json").write_text('["done", "twice", "done twice"]')
    model = load_model(tmp_path / "cache" / "models" / "tiny-bert")
    np.save(tmp_path / "expected.npy", model.vectors(["done", "twice", "done twice"]))
    files = ("--texts", str(tmp_path / "three.json"), "--vectors", str(tmp_path / "expected.npy"))
    report = json.loads(run("verify", "tiny-bert", *files, "--json").stdout)
    assert (report["texts"], report["passed"]) == (3, True)
    (tmp_path / "three.json").write_text('["twice", "done", "done twice"]')
    assert run("verify", "tiny-bert", *files).exit_code == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--texts", "f"), "--texts and --vectors belong together"),
        (("--vectors", "f"), "--texts and --vectors belong together"),
        (("--texts", "f", "--vectors", "f", "--reference", "."), "--reference is instead of"),
    ],
)
def test_a_reference_is_told_in_one_way_and_whole(run, tmp_path, monkeypatch, options, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").touch()
    result = run("verify", *options)
    assert result.exit_code == 2
    assert match in result.stderr


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        ("[1, 2]", "text 0 is a int, a string is expected"),
        ('["done", null]', "text 1 is a NoneType, a string is expected"),
        (r'["done", "\ud800"]', "text 1 is no valid Unicode"),
        ("[]", "the reference cannot be used: it has no texts"),
        ("{}", "texts.json: holds a dict, list expected"),
        ("done", "texts.json: is not JSON"),
    ],
)
def test_reference_texts_that_are_none(run, source, tmp_path, texts, match):
    run("export", str(source))
    (tmp_path / "texts.json").write_text(texts)
    np.save(tmp_path / "vectors.npy", np.ones((2, 16), np.float32))
    result = run("verify", "tiny-bert", "--reference", str(tmp_path))
    assert match in result.stderr
    assert (result.exit_code, result.stdout) == (4, "")


@pytest.mark.parametrize("bad", [0, np.nan, np.inf])
def test_a_reference_row_that_is_no_vector_is_named(run, source, tmp_path, bad):
    run("export", str(source))
    (tmp_path / "texts.json").write_text('["done", "twice"]')
    rows = np.ones((2, 16), np.float32)
    rows[1] = bad
    np.save(tmp_path / "vectors.npy", rows)
    result = run("verify", "tiny-bert", "--reference", str(tmp_path))
    assert "vector 1 has NaN or infinite numbers, or is all zeros" in result.stderr
    assert (result.exit_code, result.stdout) == (4, "")


@pytest.mark.parametrize(
    ("vectors", "match"),
    [
        (np.zeros((2, 16), np.float32), "the shape of its vectors is (2, 16), expected (1, 16)"),
        (np.zeros(3, np.float32), "holds no rows of floating point numbers"),
        (np.array([[None]]), "is no array of numpy"),
    ],
)
def test_reference_vectors_that_are_none(run, source, tmp_path, vectors, match):
    run("export", str(source))
    (tmp_path / "texts.json").write_text('["done"]')
    np.save(tmp_path / "vectors.npy", vectors)
    result = run("verify", "tiny-bert", "--reference", str(tmp_path))
    assert match in result.stderr
    assert (result.exit_code, result.stdout) == (4, "")


def test_a_directory_is_exported_under_a_name_and_where_it_is_told(run, source, tmp_path):
    result = run("export", str(source), "--name", "mine", "--out", str(tmp_path / "made"))
    assert result.exit_code == 0
    assert "model:      mine@" in result.stdout
    assert run("verify", "--model-dir", str(tmp_path / "made")).exit_code == 0


@pytest.mark.parametrize("name", ["org/tiny", "../../tiny", "..", ".tiny", "", "a\\b", "x" * 999])
def test_a_name_that_is_no_folder_of_the_cache_is_refused(run, source, tmp_path, name):
    for command in (("export", str(source), "--name", name), ("verify", name)):
        result = run(*command)
        assert result.exit_code == 2
        assert "cannot be the name of a model" in result.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_a_model_kept_elsewhere_may_have_the_name_of_its_repository(run, source, tmp_path):
    result = run("export", str(source), "--name", "org/tiny", "--out", str(tmp_path / "made"))
    assert result.exit_code == 0
    assert "org/tiny@" in result.stdout


def test_what_is_there_is_not_overwritten(run, source):
    run("export", str(source))
    result = run("export", str(source))
    assert result.exit_code == 4
    assert "exists: it is left as it is; choose another folder" in result.stderr


def test_a_network_that_is_not_known_names_the_way_out(run, source):
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"model_type": "mpnet"}))
    result = run("export", str(source))
    assert result.exit_code == 4
    assert "model_type 'mpnet' is not among bert, distilbert, xlm-roberta" in result.stderr
    assert "stepwell model export --onnx FILE" in result.stderr


def test_a_graph_that_is_not_there(run, source, tmp_path):
    result = run("export", str(source), "--onnx", "onnx/model.onnx")
    assert result.exit_code == 4
    assert "onnx/model.onnx: does not exist" in result.stderr
    assert not (tmp_path / "cache" / "models" / "tiny-bert").exists()


def test_the_output_of_a_graph_is_named_where_its_name_is_unusual(run, source):
    words = np.random.default_rng(1).normal(size=(len(VOCABULARY), 16)).astype(np.float32)
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gather", ["words", "input_ids"], ["looked_up"])],
        "words alone",
        [tensor("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [tensor("looked_up", TensorProto.FLOAT, ["texts", "tokens", 16])],
        [numpy_helper.from_array(words, "words")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), source / "words.onnx")
    result = run("export", str(source), "--onnx", "words.onnx")
    assert result.exit_code == 4
    assert "--output-name NAME" in result.stderr
    result = run("export", str(source), "--onnx", "words.onnx", "--output-name", "looked_up")
    assert result.exit_code == 0, result.output
    assert run("verify", "tiny-bert").exit_code == 0


def test_the_name_of_an_output_is_of_no_use_without_a_graph(run, source):
    result = run("export", str(source), "--output-name", "looked_up")
    assert result.exit_code == 2
    assert "--output-name goes with --onnx" in result.stderr


def test_weights_that_are_damaged_are_named(run, tmp_path):
    def damaged(weights):
        weights["encoder.layer.0.output.dense.bias"][0] = np.nan
        return weights

    (tmp_path / "published").mkdir()
    write_source(tmp_path / "published", tensors=damaged)
    result = run("export", str(tmp_path / "published"))
    assert result.exit_code == 4
    assert f"{tmp_path}/published/model.safetensors: gives no usable vectors" in result.stderr


def test_all_models_are_listed_with_what_is_known_of_them(run, source, tmp_path):
    run("export", str(source))
    damaged = tmp_path / "cache" / "models" / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")
    found = {it["name"]: it for it in json.loads(run("list", "--json").stdout)}
    assert list(found) == [*PRESETS, "damaged", "tiny-bert"]
    assert found["tiny-bert"]["dimension"] == 16
    assert found["bge-m3"]["origin"].startswith("BAAI/bge-m3@")
    assert found["bge-m3"]["directory"] is None
    assert (found["bge-m3"]["pinned"], found["gte-base"]["pinned"]) == (True, False)
    assert "is not JSON" in found["damaged"]["problem"]


def test_the_table_of_models_is_read_by_people(run):
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "CONTENTS", "DIMENSION", "TOKENS", "DIRECTORY"]
    assert " ".join(lines[-1].split()) == "gte-large pinned by the first pull 1024 not pulled"


def test_a_model_is_measured(run, source, tmp_path):
    run("export", str(source))
    (tmp_path / "texts").write_text("done\n\ndone twice\n")
    result = run("bench", "tiny-bert", "--texts", str(tmp_path / "texts"), "--json")
    [figures] = json.loads(result.stdout)
    assert (figures["precision"], figures["times_fp32"]) == ("fp32", 1.0)
    assert (figures["texts"], figures["tokens"]) == (2, 7)
    assert 0 < figures["query_p50_ms"] <= figures["query_p99_ms"]
    assert figures["memory_mib"] > 10
    assert figures["tokens_per_s_by_run"]["512"] > 0
    shown = run("bench", "tiny-bert").stdout
    assert "texts per s:" in shown
    assert re.search(r"tokens per s by run: 128: \d+, 256: \d+", shown)


def test_texts_that_are_none_are_refused(run, source, tmp_path):
    (tmp_path / "texts").write_text("\n")
    result = run("bench", "tiny-bert", "--texts", str(tmp_path / "texts"))
    assert result.exit_code == 2
    assert "--texts holds no text" in result.stderr


@pytest.mark.parametrize("texts", [b"done\ntw\xffice\n", b"done\n\xc3"])
def test_texts_that_are_no_utf8_are_refused_by_their_line(run, source, tmp_path, texts):
    run("export", str(source))
    (tmp_path / "texts").write_bytes(texts)
    result = run("bench", "tiny-bert", "--texts", str(tmp_path / "texts"))
    assert result.exit_code == 2
    assert "--texts: line 2 is no UTF-8" in result.stderr


@pytest.mark.parametrize("command", ["verify", "bench", "quantise"])
def test_a_model_that_is_not_in_the_cache_ends_with_3_and_how_to_get_it(run, command):
    result = run(command, "tiny-bert")
    assert result.exit_code == 3
    assert "holds no model (no manifest.json): run `stepwell model pull`" in result.stderr
    assert result.stderr.endswith("\nTry: stepwell model list\n")
    result = run(command, "gte-base")
    assert result.exit_code == 3
    assert result.stderr.endswith("\nTry: stepwell model pull gte-base\n")


def test_a_name_that_is_no_preset_ends_with_3_and_those_there_are(run):
    result = run("pull", "gpt")
    assert result.exit_code == 3
    assert "all-MiniLM-L6-v2, bge-small-en-v1.5" in result.stderr
    assert result.stderr.endswith("\nTry: stepwell model list\n")


def test_another_model_than_the_usual_one_is_not_put_in_its_place(run, tmp_path):
    """A setting names where the usual model lies; only the option says it for another."""
    usual = {"STEPWELL_MODEL_DIR": str(tmp_path / "usual")}
    result = run("verify", "gte-base", **usual)
    assert f"{tmp_path}/cache/models/gte-base holds no model" in result.stderr
    result = run("verify", **usual)
    assert f"{tmp_path}/usual holds no model" in result.stderr


def test_a_directory_with_another_model_is_not_pulled(run, source, tmp_path):
    result = run("pull", "gte-base", "--from", str(source))
    assert "seen for the first time: trusted and recorded" in result.stderr
    assert "they are of another model" in result.stderr
    assert result.exit_code == 4
    assert list((tmp_path / "cache" / "models").iterdir()) == []
