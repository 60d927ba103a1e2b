"""`stepwell model` and the graph in 8 bits: on request, once, and later after an interrupt."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stepwell import models
from stepwell.models import Preset
from stepwell.models.files import pin
from stepwell.models.manifest import INT8_GRAPH, Int8, Manifest, read_manifest, write_manifest
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from tests.models.tiny import write_source

Run = Callable[..., Result]


@pytest.fixture
def source(tmp_path) -> Path:
    directory = tmp_path / "tiny-bert"
    directory.mkdir()
    write_source(directory)
    return directory


@pytest.fixture
def made(tmp_path) -> Path:
    """Where the usual model lies, once it is exported."""
    return tmp_path / "made"


@dataclass
class Recording:
    """The real models, but nothing is pulled, and what is quantised is only remembered."""

    quantised: list[Path] = field(default_factory=list)
    interrupted: bool = False

    def __getattr__(self, name: str) -> object:
        return getattr(models, name)

    def pull(self, preset: Preset, destination: Path, **_options: object) -> Path:
        """As of a model that is there."""
        return destination

    def quantise(self, directory: Path, *, report: Callable[[str], None]) -> Manifest:
        self.quantised.append(directory)
        report("fitting")
        if self.interrupted:
            raise KeyboardInterrupt
        (directory / INT8_GRAPH).write_bytes(b"in 8 bits")
        manifest = read_manifest(directory)
        pinned = pin(directory / INT8_GRAPH)
        manifest = replace(manifest, int8=Int8(pinned, manifest.self_test, 0.9995, 0.99))
        write_manifest(manifest, directory)
        return manifest


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def run(recording, made, tmp_path) -> Run:
    """Runs `stepwell model`, and only remembers what is quantised."""

    def run(*arguments: str) -> Result:
        environ = {"STEPWELL_MODEL_DIR": str(made)}
        invocation = Invocation(models=lambda: recording, environ=environ, directory=tmp_path)
        command = ["model", *arguments]
        return CliRunner().invoke(cli, command, obj=invocation, prog_name="stepwell")

    return run


@pytest.fixture
def export(run, source, made) -> Run:
    """Runs `stepwell model export` into the place of the usual model."""
    return lambda *options: run("export", str(source), "--out", str(made), *options)


def test_a_graph_in_8_bits_is_made_on_request(export, recording, made):
    result = export("--int8", "--json")
    assert (result.stderr, recording.quantised) == ("fitting\n", [made])
    assert json.loads(result.stdout)["int8"] is True


def test_8_bits_are_added_once_to_a_model_that_is_there(export, run, recording, made):
    assert json.loads(export("--json").stdout)["int8"] is False
    assert recording.quantised == []
    figures = json.loads(run("quantise", "--json").stdout)
    assert (figures["directory"], figures["mean_cosine"]) == (str(made), 0.9995)
    assert "min cosine:  0.99" in run("quantise").stdout
    assert recording.quantised == [made]


def test_pulling_again_adds_8_bits_once_to_the_model_that_is_there(export, run, recording, made):
    export()
    for _ in range(2):
        result = run("pull", "--int8")
        assert (result.exit_code, result.stdout) == (0, f"{made}\n")
    assert recording.quantised == [made]


@pytest.mark.parametrize("damage", [lambda it: it.write_bytes(b"x"), Path.unlink])
def test_8_bits_that_are_damaged_are_made_again(export, run, recording, made, damage):
    export("--int8")
    damage(made / INT8_GRAPH)
    assert run("quantise").exit_code == 0
    assert recording.quantised == [made, made]


def test_exporting_again_says_what_adds_8_bits(export, recording, made):
    export()
    result = export("--int8")
    assert (result.exit_code, recording.quantised) == (4, [])
    assert "is a model already" in result.stderr
    assert f"Try: stepwell model quantise --model-dir {made}" in result.stderr


def test_after_an_interrupt_the_model_stays_and_8_bits_can_be_added(export, run, recording, made):
    recording.interrupted = True
    result = export("--int8")
    assert result.exit_code == 130
    assert f"stepwell model quantise --model-dir {made}" in result.stderr
    recording.interrupted = False
    assert run("quantise", "--model-dir", str(made)).exit_code == 0
    assert recording.quantised == [made, made]


def test_8_bits_of_a_graph_that_others_exported_are_refused_at_once(export):
    result = export("--onnx", "onnx/model.onnx", "--int8")
    assert result.exit_code == 2
    assert "--int8 is made from safetensors files" in result.stderr
