"""Ctrl-C where it does no harm.

Python raises `KeyboardInterrupt` between any two instructions of the main thread. Between the
taking of a lock and the `try` that gives it back that leaves the lock taken: threads which need it,
such as those of the embedder, then wait for ever, and whoever waits for them as well.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class Interrupts:
    """While it is entered, Ctrl-C raises `KeyboardInterrupt` only inside `allowed`."""

    def __init__(self) -> None:
        self._wanted = False
        self._allowed = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Here it may interrupt: around what may block for long and holds no lock of ours."""
        self._allowed = True
        try:
            if self._wanted:
                raise KeyboardInterrupt
            yield
        finally:
            self._allowed = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._wanted = True
        if self._allowed:
            raise KeyboardInterrupt
