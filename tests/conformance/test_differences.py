"""The list of differences is about behaviours that exist, and says nothing of those that hold."""

import re
from pathlib import Path

from tests.conformance.differences import DIFFERENCES

ROOM = Path(__file__).parent


def test_a_behaviour_is_tested_or_listed_as_different_but_not_both() -> None:
    code = "".join(path.read_text() for path in ROOM.glob("test_*.py"))
    tested = {
        label
        for name in re.findall(r"def test_(\w+?)\(", code)
        for label in re.findall(r"(?:^|_|and_)([A-Z]\d+)(?=_)", name)
    }
    different = {b for it in DIFFERENCES for b in it.behaviours if re.fullmatch(r"[A-Z]\d+", b)}
    assert different & tested == set()


def test_every_difference_has_its_reason() -> None:
    assert all(
        it.behaviours and it.here.endswith(".") and it.why.endswith(".") for it in DIFFERENCES
    )
