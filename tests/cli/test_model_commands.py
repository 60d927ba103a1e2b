"""`stepwell model` on real models, tiny ones: list, export, verify, bench, pull by name."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stepwell import models
from stepwell.models import PRESETS
from stepwell.models.manifest import Manifest, read_manifest
from stepwell.models.model import load_model
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from tests.models.tiny import write_source

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


@pytest.mark.parametrize(
    ("vectors", "exit_code", "match"),
    [
        (np.zeros((2, 16), np.float32), 2, "vectors.npy is (2, 16), expected (1, 16)"),
        (np.zeros(3, np.float32), 4, "holds no rows of floating point numbers"),
        (np.array([[None]]), 4, "is no array of numpy"),
    ],
)
def test_reference_vectors_that_are_none(run, source, tmp_path, vectors, exit_code, match):
    run("export", str(source))
    (tmp_path / "texts.json").write_text('["done"]')
    np.save(tmp_path / "vectors.npy", vectors)
    result = run("verify", "tiny-bert", "--reference", str(tmp_path))
    assert match in result.stderr
    assert result.exit_code == exit_code


def test_a_directory_is_exported_under_a_name_and_where_it_is_told(run, source, tmp_path):
    result = run("export", str(source), "--name", "mine", "--out", str(tmp_path / "made"))
    assert result.exit_code == 0
    assert "model:      mine@" in result.stdout
    assert run("verify", "--model-dir", str(tmp_path / "made")).exit_code == 0


@dataclass
class Recording:
    """The real models, but for quantising, which takes a minute and is only remembered."""

    quantised: list[Path] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(models, name)

    def quantise(self, directory: Path, *, report: Callable[[str], None]) -> Manifest:
        self.quantised.append(directory)
        report("fitting")
        return read_manifest(directory)


def test_a_graph_in_8_bits_is_added_on_request(source, tmp_path):
    recording, out = Recording(), tmp_path / "made"
    invocation = Invocation(models=lambda: recording, environ={}, directory=tmp_path)
    command = ["model", "export", str(source), "--out", str(out)]
    result = CliRunner().invoke(cli, command, obj=invocation)
    assert (result.exit_code, recording.quantised) == (0, [])
    command[-1] = str(tmp_path / "other")
    result = CliRunner().invoke(cli, [*command, "--int8"], obj=invocation)
    assert (result.stderr, recording.quantised) == ("fitting\n", [tmp_path / "other"])


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
    assert "texts per s:" in run("bench", "tiny-bert").stdout


def test_texts_that_are_none_are_refused(run, source, tmp_path):
    (tmp_path / "texts").write_text("\n")
    result = run("bench", "tiny-bert", "--texts", str(tmp_path / "texts"))
    assert result.exit_code == 2
    assert "--texts holds no text" in result.stderr


def test_a_model_that_is_not_in_the_cache_ends_with_3(run):
    for command in ("verify", "bench"):
        result = run(command, "tiny-bert")
        assert result.exit_code == 3
        assert "run `stepwell model pull`" in result.stderr


def test_a_name_that_is_no_preset_ends_with_3_and_those_there_are(run):
    result = run("pull", "gpt")
    assert result.exit_code == 3
    assert "all-MiniLM-L6-v2, bge-small-en-v1.5" in result.stderr


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
