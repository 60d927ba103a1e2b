"""The embedded broker as a process of its own, started by the command line, killed at will."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STEPWELL = Path(sys.executable).with_name("stepwell")
HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.005


@dataclass
class BrokerProcess:
    """One data folder and one port, and the process that serves them, if it runs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls, folder: Path) -> "BrokerProcess":
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, free_port())

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def log(self) -> str:
        """What it has said in all its lives."""
        return (self.folder / "broker.log").read_text()

    def start(self) -> float:
        """Start it; returns when it accepts connections, with the seconds that took."""
        assert self.process is None
        command = [STEPWELL, "broker", "--data-dir", self.data, "--port", str(self.port), "--json"]
        began = time.monotonic()
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while not self._listens():
            status = self.process.poll()
            assert status is None, f"the broker ended with {status}:\n{self.log()[-4000:]}"
            assert time.monotonic() < began + START_TIMEOUT_S, self.log()[-4000:]
            time.sleep(POLL_S)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """SIGTERM, as an operator stops it; its exit status."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_TIMEOUT_S)
        finally:
            process.kill()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


@contextmanager
def broker_process(folder: Path) -> Iterator[BrokerProcess]:
    """A running broker; killed at the end if it still runs."""
    broker = BrokerProcess.create(folder)
    try:
        broker.start()
        yield broker
    finally:
        if broker.process is not None:
            broker.kill()


def free_port() -> int:
    """Below the ports that the kernel lends to outgoing connections: those could take it."""
    for port in range(20_000 + time.time_ns() % 10_000, 32_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
