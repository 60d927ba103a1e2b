"""`scripts/_server.py`, on a server that starts in no time: Python's own for files."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts import _server
from scripts._server import HOST, Launch, Server, installing, need

SCRIPTS = Path(__file__).parents[2] / "scripts"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
SERVE = (
    "import http.server as h, sys; "
    "h.HTTPServer((sys.argv[1], int(sys.argv[2])), h.SimpleHTTPRequestHandler).serve_forever()"
)


class Files(Server):
    kind = "files"
    ports = ("http",)

    def __init__(self, program=SERVE):
        self.program = program

    def install(self, cache):
        return Path(sys.executable)

    def prepare(self, program, home, state):
        return Launch([str(program), "-c", self.program, HOST, str(state.ports["http"])])

    def ready(self, state):
        try:
            socket.create_connection((HOST, state.ports["http"]), timeout=1).close()
        except OSError:
            return False
        return True

    def describe(self, state):
        return {"address": f"{HOST}:{state.ports['http']}"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own; whatever was started in it is stopped."""
    monkeypatch.setenv("STEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_server, "TERM_TIMEOUT_S", 2.0)
    yield tmp_path / "cache"
    homes = tmp_path / "cache" / "run" / "files"
    for home in homes.iterdir() if homes.exists() else ():
        _server.main(Files(), ["stop", "--name", home.name])


@pytest.fixture
def command(capsys):
    """Run the command line; gives its exit code, its JSON and what it told people."""

    def run(*arguments, server=None):
        capsys.readouterr()
        code = _server.main(server or Files(), list(arguments))
        out, err = capsys.readouterr()
        return code, json.loads(out) if out.startswith("{") else out, err

    return run


def test_a_server_is_started_found_and_stopped(command, cache):
    assert command("status", "--json") == (3, {"name": "dev", "pid": None}, "")
    code, facts, _ = command("start", "--json")
    assert code == 0
    assert facts["data"] == str(cache / "run" / "files" / "dev" / "data")
    assert Files().ready(_server.State({"http": int(facts["address"].split(":")[1])}, ""))
    assert command("status", "--json") == (0, facts, "")
    assert command("stop") == (0, "", "files dev: stopped\n")
    assert command("status") == (3, "files dev: not running\n", "")
    assert command("stop") == (0, "", "files dev: was not running\n")


def test_starting_a_server_that_runs_says_where(command):
    first = command("start", "--json")
    assert command("start", "--json") == first


def test_starting_twice_at_once_starts_one(command):
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(_server.main(Files(), ["start"])))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert command("stop") == (0, "", "files dev: stopped\n")
    assert command("status")[0] == 3


def test_servers_of_different_names_run_side_by_side(command):
    _, one, _ = command("start", "--json", "--name", "one")
    _, two, _ = command("start", "--json", "--name", "two")
    assert one["address"] != two["address"]
    command("stop", "--name", "one")
    assert command("status", "--name", "one")[0] == 3
    assert command("status", "--name", "two", "--json") == (0, two, "")


def test_a_server_comes_back_with_its_data_at_its_address(command):
    _, first, _ = command("start", "--json")
    (Path(first["data"]) / "kept").touch()
    os.kill(first["pid"], signal.SIGKILL)
    command("stop")  # waits until it is quite dead
    _, second, _ = command("start", "--json")
    assert second["pid"] != first["pid"]
    assert (second["address"], second["data"]) == (first["address"], first["data"])
    assert (Path(second["data"]) / "kept").exists()


def test_fresh_deletes_the_data_first(command):
    _, facts, _ = command("start", "--json")
    (Path(facts["data"]) / "old").touch()
    command("stop")
    command("start", "--fresh")
    assert not (Path(facts["data"]) / "old").exists()


def test_fresh_does_not_delete_what_the_script_did_not_make(command, tmp_path):
    (tmp_path / "thesis.txt").touch()
    code, _, told = command("start", "--fresh", "--data", str(tmp_path))
    assert code == 1
    assert "was not made by this script" in told
    assert (tmp_path / "thesis.txt").exists()


def test_purge_deletes_the_state_folder(command, cache):
    command("start")
    command("stop", "--purge")
    assert list((cache / "run" / "files").iterdir()) == []


def test_a_port_in_use_is_refused(command):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, told = command("start", "--port", str(port))
    assert code == 1
    assert told == f"files dev: --port {port} is in use on {HOST}: choose another\n"


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(command):
    code, _, told = command("start", server=Files("print('one'); raise SystemExit('no licence')"))
    assert code == 1
    assert "did not become ready" in told
    assert told.endswith(("one\nno licence\n", "no licence\none\n"))
    assert command("status")[0] == 3


@pytest.mark.slow
def test_a_server_that_ignores_the_request_to_stop_is_killed(command):
    command("start", server=Files(STUBBORN + SERVE))
    assert command("stop") == (0, "", "files dev: stopped\n")
    assert command("status")[0] == 3


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(command, cache):
    command("start")
    command("stop")
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    state_file = cache / "run" / "files" / "dev" / "state.json"
    state_file.write_text(json.dumps(json.loads(state_file.read_text()) | {"pid": bystander.pid}))
    assert command("status")[0] == 3
    assert command("stop") == (0, "", "files dev: was not running\n")
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_a_name_that_leads_out_of_the_cache_is_refused(command):
    code, _, told = command("start", "--name", "../../home")
    assert code == 1
    assert "use letters, digits" in told


def test_an_installation_that_fails_leaves_nothing_behind(tmp_path):
    def install():
        with installing(tmp_path / "program") as work:
            (work / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tool_is_named_with_what_to_install():
    with pytest.raises(
        _server.ServerError, match="`no-such-tool` was not found on PATH: install X"
    ):
        need("no-such-tool", "X")


def test_promtool_says_in_one_line_that_it_needs_go(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPTS / "promtool", "--version"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path), "STEPWELL_CACHE": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("promtool: `go` was not found on PATH: install Go")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("script", "tool"), [("kafka", "java"), ("weaviate", "go")])
def test_the_scripts_say_in_one_line_which_tool_they_miss(script, tool, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, "start"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path), "STEPWELL_CACHE": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{script} dev: `{tool}` was not found on PATH: install ")
    assert done.stderr.count("\n") == 1
