"""What a verification finds: one line for each step, and when two results are the same."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from stepwell.schemas.events import Json
from stepwell.streams.views import REDACTED

BRIEF_LENGTH = 120


class Verdict(StrEnum):
    """What became of a step that was computed again."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    """The present code asks for it, the recorded run did not."""
    MISSING = "missing"
    """The recorded run has it, the present code does not ask for it."""
    SKIPPED = "skipped"
    """Its body did not run: its recorded result was taken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of one instance; `recorded` and `found` are short, for people."""

    workflow: str
    instance: str
    step: str
    """Its name; with its kind before it, if it runs no body."""
    occurrence: int
    verdict: Verdict
    recorded: str = ""
    found: str = ""

    @property
    def differs(self) -> bool:
        """Whether the present code does not do what was recorded."""
        return self.verdict not in (Verdict.SAME, Verdict.SKIPPED)

    @property
    def is_changed(self) -> bool:
        """Whether both have the step, with other results."""
        return self.verdict is Verdict.CHANGED


def same(recorded: Json, found: Json, tolerance: float = 0.0) -> bool:
    """Whether two stored values are equal; arrays bit by bit, or within `tolerance` of each other.

    Other numbers are equal or not: only what a model computes may be a little off.
    """
    if isinstance(recorded, np.ndarray) and isinstance(found, np.ndarray):
        if (recorded.dtype, recorded.shape) != (found.dtype, found.shape):
            return False
        if not tolerance:
            return recorded.tobytes() == found.tobytes()
        return bool(np.allclose(recorded, found, rtol=0.0, atol=tolerance))
    if type(recorded) is not type(found):
        return False
    if isinstance(recorded, dict):
        return recorded.keys() == found.keys() and all(
            same(value, found[name], tolerance) for name, value in recorded.items()
        )
    if isinstance(recorded, list):
        return len(recorded) == len(found) and all(
            same(*pair, tolerance) for pair in zip(recorded, found, strict=True)
        )
    return bool(recorded == found)


def brief(value: Json, *, sensitive: bool = False) -> str:
    """A value in a few words."""
    if sensitive:
        return REDACTED
    text = repr(value) if not isinstance(value, np.ndarray) else _array_in_words(value)
    return text if len(text) <= BRIEF_LENGTH else f"{text[: BRIEF_LENGTH - 1]}…"


def _array_in_words(array: np.ndarray) -> str:
    numbers = ", ".join(f"{number:.9g}" for number in array.ravel()[:3].tolist())
    return f"{array.dtype}{list(array.shape)} [{numbers}{', …' if array.size > 3 else ''}]"
