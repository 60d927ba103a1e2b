"""`stepwell example site`, with all its processes, until a test is done with it."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.deployment import STEPWELL


@dataclass
class Running:
    """What it has said so far, and its children."""

    process: subprocess.Popen[str]
    url: str
    gateway: str

    def kill(self, part: str) -> None:
        """Kill the process of a part; it is started again."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if part.encode() in words:
                os.kill(int(pid), signal.SIGKILL)
                return
        raise AssertionError(f"{part} does not run")


@contextmanager
def pun_site(data: Path) -> Iterator[Running]:
    """The site on a free port, its puns alike by their words."""
    environ = {name: it for name, it in os.environ.items() if not name.startswith("STEPWELL_")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [STEPWELL, "example", "site", "--words", "--json", "--data", data, "--port", str(port)],
        stdout=subprocess.PIPE,
        env=environ,
        text=True,
    )
    try:
        facts = _ready(process)
        yield Running(process, facts["site"], facts["gateway"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()


def _ready(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        facts: dict[str, Any] = json.loads(line)
        if facts.get("ready"):
            return facts
    raise AssertionError("stepwell example site has ended")
