"""`stepwell broker`: says where it is, and stops when told."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STEPWELL = Path(sys.executable).with_name("stepwell")


def start(folder, *arguments):
    command = [STEPWELL, "broker", "--data-dir", folder, "--port", "0", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent
    )


def document(process):
    """The JSON that the process says first."""
    lines = []
    while not lines or lines[-1].rstrip() != "}":
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    return json.loads("".join(lines))


def test_it_says_its_address_and_ends_in_order(tmp_path):
    folder = tmp_path / "data"
    process = start(folder, "--json")
    said = document(process)
    assert said["pid"] == process.pid
    assert said["address"] == f"127.0.0.1:{(folder / 'port').read_text().strip()}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not (folder / "port").exists()


def test_a_folder_in_use_is_an_error_of_one_line(tmp_path):
    first = start(tmp_path / "data", "--json")
    document(first)
    try:
        second = start(tmp_path / "data")
        _, complaint = second.communicate(timeout=30)
        assert second.returncode == 1
        assert "in use by another broker" in complaint
        assert "Traceback" not in complaint
    finally:
        first.terminate()
        first.wait(timeout=30)


def test_beyond_loopback_is_wrong_usage(tmp_path):
    process = start(tmp_path / "data", "--host", "0.0.0.0")
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "loopback only" in complaint
