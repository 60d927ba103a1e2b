"""The command line on a terminal: drawn in place, narrow, dumb, without colours, interrupted."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

APP = """
import asyncio, sys
from pathlib import Path
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from stepwell.streams.lists import InstancePage
from stepwell.streams.views import InstanceSummary

def page(*statuses):
    return InstancePage(tuple(
        InstanceSummary("order", f"i-{n}", status, 1_767_225_600_000, 1_767_225_600_000)
        for n, status in enumerate(statuses)
    ))

class App:
    async def watch_instances(self, *_asked, **_more):
        yield page("running")
        yield page("running", "complete")
        await asyncio.Event().wait()

    async def page_instances(self, *_asked, **_more):
        return page("running", "errored")

cli(sys.argv[1:], prog_name="stepwell", obj=Invocation(app=App, environ={}, directory=Path.cwd()))
"""
COLOUR = re.compile(rb"\x1b\[[\d;]*m")
UP = re.compile(rb"\x1b\[\d*A")


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self.shown = b""

    def until(self, text: bytes) -> None:
        """Read until this was shown."""
        while text not in self.shown:
            self.shown += os.read(self._screen, 4096)

    def rest(self) -> bytes:
        """Read to the end."""
        while True:
            try:
                more = os.read(self._screen, 4096)
            except OSError:  # Linux says so when the other side is closed
                break
            if not more:
                break
            self.shown += more
        return self.shown


@contextmanager
def terminal(folder: Path, *words: str, width: int = 80, **environ: str) -> Iterator[Terminal]:
    screen, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-c", APP, *words],
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=folder,
        env=kept | {"TERM": "xterm-256color"} | environ,
        start_new_session=True,
    )
    os.close(side)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def test_a_watched_list_is_drawn_in_place_until_ctrl_c(tmp_path):
    with terminal(tmp_path, "instances", "list", "--watch") as it:
        it.until(b"i-1")
        it.process.send_signal(signal.SIGINT)
        shown = it.rest()
        assert it.process.wait() == 130
    assert UP.search(shown), "the cursor went back up"
    assert b"Traceback" not in shown
    assert b"\x1b[?25h" in shown, "the cursor is shown again"


@pytest.mark.parametrize("words", [("--json",), ()], ids=["json", "dumb"])
def test_where_nothing_is_drawn_in_place_what_is_new_is_written(tmp_path, words):
    with terminal(tmp_path, "instances", "list", "--watch", *words, TERM="dumb") as it:
        it.until(b"i-1")
        it.process.send_signal(signal.SIGINT)
        shown = it.rest()
        assert it.process.wait() == 130
    assert b"\x1b" not in shown
    assert b"Traceback" not in shown


@pytest.mark.parametrize(
    "environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "COLUMNS": "20"}], ids=str
)
def test_no_colours_where_none_are_wanted(tmp_path, environ):
    with terminal(tmp_path, "instances", "list", width=20, **environ) as it:
        shown = it.rest()
        assert it.process.wait() == 0
    colours = {code for found in COLOUR.findall(shown) for code in found[2:-1].split(b";")}
    assert colours <= {b"0", b"1", b""}, "bold at most"
    assert b"STATUS:   errored" in COLOUR.sub(b"", shown), "too narrow for columns"


def test_nobody_is_asked_where_nobody_can_answer(tmp_path):
    asked = subprocess.run(
        [sys.executable, "-c", APP, "instances", "delete", "one"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (asked.returncode, asked.stdout) == (4, "")
    assert "say --yes" in asked.stderr
