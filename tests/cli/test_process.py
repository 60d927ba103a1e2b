"""The command line as a process: signals, pipes, and how much it imports."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAVY = ("aiohttp", "aiokafka", "faust", "onnx", "onnxruntime", "rich", "structlog", "weaviate")
MAIN = "from stepwell.streams.cli import main; main()"
HELP = f"""
import sys
from stepwell.streams.cli import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
WORKER = """
import asyncio, sys
from pathlib import Path
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli

class App:
    async def run_worker(self, settings, stop):
        print("running", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        if sys.argv[1] == "stuck":
            await asyncio.Event().wait()

cli(["worker"], obj=Invocation(app=App, environ={}, directory=Path.cwd()))
"""


def start(code: str, *arguments: str, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(command, **options)


def test_help_imports_nothing_that_is_slow_to_import():
    output, errors = start(HELP, "--help").communicate()
    assert output.startswith("Usage: ")
    assert errors == "[]\n"


@pytest.mark.parametrize("form", ["--json", "--config=/dev/null"], ids=["json", "table"])
def test_a_closed_pipe_is_no_reason_to_complain(tmp_path, form):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(MAIN, "config", form, stdout=writer, cwd=tmp_path)
    os.close(writer)
    assert process.communicate() == (None, "")
    assert process.returncode == 1


def test_an_unreachable_broker_is_one_line_and_a_next_step_without_what_libraries_say(tmp_path):
    process = start(MAIN, "instances", "list", "--bootstrap", "127.0.0.1:1", cwd=tmp_path)
    output, errors = process.communicate()
    assert output == ""
    cause, next_step = errors.splitlines()
    assert cause.startswith("Error: Kafka at 127.0.0.1:1")
    assert next_step == "Try: stepwell doctor"
    assert process.returncode == 5


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_stops_in_order_when_told_to(tmp_path, number, exit_code):
    process = start(WORKER, "willing", cwd=tmp_path)
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    assert process.communicate() == ("stopping\n", "Stopping; once more to stop at once.\n")
    assert process.returncode == exit_code


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_the_second_signal_ends_a_server_that_does_not_stop(tmp_path, number, exit_code):
    process = start(WORKER, "stuck", cwd=tmp_path)
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(number)
    process.communicate()
    assert process.returncode == exit_code


def test_what_an_app_warns_of_is_not_part_of_the_answer(tmp_path):
    code = """
from stepwell.streams import cli
import structlog
cli._app()
structlog.get_logger().warning("be warned")
structlog.get_logger().info("by the way")
"""
    output, errors = start(code, cwd=tmp_path).communicate()
    assert output == ""
    assert "be warned" in errors
    assert "by the way" not in errors
