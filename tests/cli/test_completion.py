"""What shells complete: commands and options, and names out of the file of an earlier command."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCreated
from stepwell.streams.cli.completion import SHELLS
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.place import read_model_path


@pytest.fixture
def complete(tmp_path):
    """Completes the last of some words, where a gateway and commands have left their files."""
    environ = {
        "STEPWELL_READMODEL_DIR": str(tmp_path),
        "STEPWELL_KAFKA_BOOTSTRAP": "192.0.2.1:9092",
    }

    def run(*words: str, environ: dict[str, str] = environ) -> list[str]:
        invocation = Invocation(app=_nobody, environ=environ, directory=tmp_path)
        found = ShellComplete(cli, {"obj": invocation}, "stepwell", "_STEPWELL_COMPLETE")
        return [it.value for it in found.get_completions(list(words[:-1]), words[-1])]

    settings = Invocation(environ=environ, directory=tmp_path).settings()
    for reader, keys in (("", ("order/a-1", "order/b-1")), ("gateway-8400", ("audit/a-2",))):
        model = ReadModel(read_model_path(settings, reader))
        created = codec.encode(InstanceCreated(None, 1_000))
        model.take((0, at, key.encode(), created) for at, key in enumerate(keys))
        model.close()
    return run


def _nobody():
    raise AssertionError("completing asks no broker")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(stepwell, shell):
    result = stepwell("completion", shell)
    assert result.exit_code == 0
    assert f"_STEPWELL_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_take_the_script(stepwell, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = stepwell("completion", shell).stdout
    checked = subprocess.run(
        [program, "-n"], input=script, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_another_shell_is_wrong_usage(stepwell):
    result = stepwell("completion", "powershell")
    assert result.exit_code == 2
    assert "fish" in result.stderr


def test_commands_and_options(complete):
    assert complete("instances", "desc") == ["describe"]
    assert "--watch" in complete("instances", "list", "--")


def test_statuses(complete):
    assert complete("instances", "list", "--status", "waiting") == ["waiting", "waitingForPause"]


def test_workflows(complete):
    assert complete("instances", "list", "--workflow", "") == ["order", "audit"]
    assert complete("trigger", "o") == ["order"]
    assert complete("workflows", "describe", "au") == ["audit"]


@pytest.mark.parametrize("command", ["describe", "pause", "delete", "step", "send-event"])
def test_instances_and_latest(complete, command):
    assert complete("instances", command, "a") == ["a-1", "a-2"]
    assert complete("instances", command, "l") == ["latest"]


def test_without_files_or_with_wrong_settings_there_is_nothing_to_complete(complete, tmp_path):
    nowhere = {"STEPWELL_READMODEL_DIR": str(tmp_path / "nowhere")}
    assert complete("trigger", "", environ=nowhere) == []
    assert complete("trigger", "", environ={"STEPWELL_GATEWAY_PORT": "x"}) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_file_is_nothing_to_complete(complete, tmp_path):
    for path in tmp_path.glob("*.sqlite"):
        path.write_bytes(b"no database" * 100)
    assert complete("trigger", "") == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_bash_it_completes(tmp_path):
    typed = """
eval "$(stepwell completion bash)"
COMP_WORDS=(stepwell instances list --status pa) COMP_CWORD=4
_stepwell_completion stepwell
echo "${COMPREPLY[@]}"
"""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    found = subprocess.run(
        ["bash", "-c", typed],
        env={"PATH": path, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (found.stdout, found.stderr) == ("paused\n", "")
