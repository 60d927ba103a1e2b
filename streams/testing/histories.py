"""Histories of earlier code on present code."""

from typing import Any

from stepwell.streams.engine.check import Recording, check_recording
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.testing.errors import UnknownWorkflow


def check_history(workflow: type[Workflow], history: bytes, env: Any = None) -> None:
    """Replay a history (`Handle.history()`, a line of `stepwell instances export`) on this code.

    Raises `Diverged` with what the code wants and what the history holds; runs no step body.
    """
    recording = Recording.decode(history)
    if recording.key.workflow != workflow.name:
        raise UnknownWorkflow(f"the history is of {recording.key}, not of {workflow.name!r}")
    if diverged := check_recording(workflow(env), recording):
        raise diverged
