"""One server for development: installed once, started under a name, found again, stopped.

A server is a process with a state folder, `<cache>/run/<kind>/<name>`. The process holds a lock on
that folder as long as it lives; the lock, not a pid that may have been given to another process,
says whether the server runs. `scripts/kafka` and `scripts/weaviate` say what is particular to each.
"""

import argparse
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
START_TIMEOUT_S = 90.0
TERM_TIMEOUT_S = 15.0
KILL_TIMEOUT_S = 5.0
POLL_S = 0.1
LOG_TAIL_LINES = 20
NOT_RUNNING = 3
# Below the ports that the kernel lends to outgoing connections: a client that keeps trying to reach
# a stopped server could otherwise be lent that very port, and the server could not come back to it.
PORTS = range(20_000, 32_000)


class ServerError(Exception):
    """What went wrong and what to do about it, in one line (a log's tail may follow)."""


@dataclass
class State:
    """What the state folder remembers. `pid` is None before the process is started."""

    ports: dict[str, int]
    data: str
    pid: int | None = None


@dataclass(frozen=True)
class Launch:
    """How to start the process."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Server(ABC):
    """What is particular to one kind of server."""

    kind: str
    ports: tuple[str, ...]
    """Names of the ports it listens on; `--port` gives the first."""

    @abstractmethod
    def install(self, cache: Path) -> Path:
        """Make the program available below `cache`, at once when an earlier run has done it."""

    @abstractmethod
    def prepare(self, program: Path, home: Path, state: State) -> Launch:
        """Write the configuration; say how to start."""

    @abstractmethod
    def ready(self, state: State) -> bool:
        """Whether the server answers real requests now."""

    @abstractmethod
    def describe(self, state: State) -> dict[str, object]:
        """Where clients find it."""


class Home:
    """The state folder of one named server."""

    def __init__(self, server: Server, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ServerError(f"--name {name!r}: use letters, digits, '.', '_' and '-'")
        self.server, self.name = server, name
        self.path = cache() / "run" / server.kind / name
        self.log = self.path / "log"

    def state(self) -> State | None:
        """The remembered state, if there is one."""
        try:
            return State(**json.loads((self.path / "state.json").read_text()))
        except FileNotFoundError:
            return None

    def remember(self, state: State) -> None:
        """Replace the state in one stroke, so that nobody reads half of it."""
        fresh = self.path / "state.json.new"
        fresh.write_text(json.dumps(asdict(state)))
        fresh.replace(self.path / "state.json")

    def try_lock(self) -> IO[str] | None:
        """The lock, unless a server or somebody who starts one holds it."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def running(self) -> State | None:
        """The state of the server that runs under this name, ready or not."""
        if not self.path.exists():
            return None
        lock = self.try_lock()
        if lock is None:
            state = self.state()
            return state if state and state.pid else None
        lock.close()
        return None


def cache() -> Path:
    """Where everything installed or remembered lives; deleting it loses nothing of value."""
    default = Path.home() / ".cache" / "stepwell"
    return Path(os.environ.get("STEPWELL_CACHE") or default).expanduser().resolve()


def say(message: str) -> None:
    """Progress is for people: standard output stays for the answer."""
    print(message, file=sys.stderr, flush=True)


def need(tool: str, package: str) -> str:
    """The path of a tool, or an error that says what to install."""
    found = shutil.which(tool)
    if found is None:
        raise ServerError(f"`{tool}` was not found on PATH: install {package}")
    return found


@contextmanager
def installing(target: Path) -> Iterator[Path]:
    """A folder to install into, moved to `target` when done: never half there, safe in parallel."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        work = Path(scratch) / "work"
        work.mkdir()
        yield work
        if not target.exists():
            work.rename(target)


def run_tool(
    command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> None:
    """Run an installer; its output is shown only when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise ServerError(f"`{' '.join(command)}` failed:\n{done.stdout.strip()}")


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def choose_ports(server: Server, remembered: dict[str, int], wanted: int | None) -> dict[str, int]:
    """The ports of the last start where they are still free, others where not."""
    free = (port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))
    ports: dict[str, int] = {}
    for name in server.ports:
        last = remembered.get(name)
        ports[name] = last if last and _is_free(last) else next(free)
    if wanted is not None:
        if not _is_free(wanted):
            raise ServerError(f"--port {wanted} is in use on {HOST}: choose another")
        ports[server.ports[0]] = wanted
    return ports


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def start(home: Home, *, port: int | None, data: Path | None, fresh: bool) -> State:
    """Start the server unless it runs; returns when it is ready."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (lock := home.try_lock()) is None:
        state = home.running()
        if state and home.server.ready(state):
            return state
        if time.monotonic() > deadline:
            raise ServerError(f"held by another process, but not ready:\n{_tail(home.log)}")
        time.sleep(POLL_S)
    with lock:
        last = home.state()
        ports = choose_ports(home.server, last.ports if last else {}, port)
        state = State(ports, str(_data_folder(home, data, fresh=fresh)))
        home.remember(state)
        program = home.server.install(cache())
        with home.log.open("w") as log:
            launch = home.server.prepare(program, home.path, state)
            process = subprocess.Popen(
                launch.command,
                env=os.environ | launch.environment,
                cwd=home.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],  # the lock lives as long as the process
            )
        state.pid = process.pid
        home.remember(state)
        _await_ready(home, process, state)
        return state


def _await_ready(home: Home, process: subprocess.Popen[bytes], state: State) -> None:
    ready = False
    try:
        wait_for(lambda: process.poll() is not None or home.server.ready(state), START_TIMEOUT_S)
        ready = process.poll() is None and home.server.ready(state)
    finally:
        if not ready:
            process.kill()
            process.wait()
    if not ready:
        raise ServerError(f"did not become ready; the end of {home.log}:\n{_tail(home.log)}")


def _tail(log: Path) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


def _data_folder(home: Home, given: Path | None, *, fresh: bool) -> Path:
    data = given.expanduser().resolve() if given else home.path / "data"
    marker = data / f".stepwell-{home.server.kind}"
    if fresh and data.exists():
        if not marker.exists() and any(data.iterdir()):
            raise ServerError(f"--fresh: {data} was not made by this script; empty it yourself")
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    marker.touch()
    return data


def stop(home: Home, *, purge: bool) -> bool:
    """Stop the server; whether it was running. `purge` deletes its state folder too."""
    state = home.running()
    if state and state.pid:
        for sign, timeout_s in ((signal.SIGTERM, TERM_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
            with suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(state.pid, sign)
            if wait_for(lambda: home.running() is None, timeout_s):
                break
        else:
            raise ServerError(f"process {state.pid} could not be stopped")
    if purge:
        shutil.rmtree(home.path, ignore_errors=True)
    return state is not None


def main(server: Server, argv: list[str] | None = None) -> int:
    """The command line of `scripts/<kind>`."""
    options = _parser(server).parse_args(argv)
    try:
        home = Home(server, options.name)
        if options.verb == "stop":
            was_running = stop(home, purge=options.purge)
            say(f"{server.kind} {home.name}: {'stopped' if was_running else 'was not running'}")
            return 0
        state = (
            start(home, port=options.port, data=options.data, fresh=options.fresh)
            if options.verb == "start"
            else home.running()
        )
    except ServerError as error:
        say(f"{server.kind} {options.name}: {error}")
        return 1
    _answer(home, state, as_json=options.json)
    return 0 if state else NOT_RUNNING


def _answer(home: Home, state: State | None, *, as_json: bool) -> None:
    facts: dict[str, object] = {"name": home.name, "pid": state.pid if state else None}
    if state:
        facts |= {**home.server.describe(state), "data": state.data}
    if as_json:
        print(json.dumps(facts))
    elif state:
        details = ", ".join(f"{key} {value}" for key, value in facts.items() if key != "name")
        print(f"{home.server.kind} {home.name}: running, {details}")
    else:
        print(f"{home.server.kind} {home.name}: not running")


def _parser(server: Server) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"scripts/{server.kind}",
        description=f"{server.kind} for development, on {HOST}.",
        epilog=f"Exit codes: 0 done or running, {NOT_RUNNING} not running (status), 1 failed.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--name", default="dev", help="which instance (default: dev)")
    begin = verbs.add_parser("start", parents=[shared], help="install if needed, start, wait")
    begin.add_argument("--port", type=int, help=f"{server.ports[0]} port (default: a free one)")
    begin.add_argument("--data", type=Path, help="data folder (default: in the state folder)")
    begin.add_argument("--fresh", action="store_true", help="delete the data first")
    begin.add_argument("--json", action="store_true", help="print one JSON object")
    end = verbs.add_parser("stop", parents=[shared], help="stop it, by force if it must be")
    end.add_argument("--purge", action="store_true", help="delete its state folder too")
    look = verbs.add_parser("status", parents=[shared], help="say whether and where it runs")
    look.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
