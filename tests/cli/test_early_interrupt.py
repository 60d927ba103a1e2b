"""Ctrl-C while the program is still being imported is no failure of it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PRESSED_AT_AN_IMPORT = """
import signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

from stepwell import streams
module = sys.argv.pop(1)
sys.meta_path.insert(0, Press())
from stepwell.streams.cli import main
main()
"""


@pytest.mark.parametrize(
    "module", ["click", "stepwell.streams.cli.embed", "stepwell.models", "onnxruntime"]
)
def test_it_ends_with_130_and_no_traceback(tmp_path, module):
    command = [sys.executable, "-c", PRESSED_AT_AN_IMPORT, module, "embed", "--model-dir", "none"]
    ended = subprocess.run(
        command, cwd=tmp_path, input="", capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 130)
