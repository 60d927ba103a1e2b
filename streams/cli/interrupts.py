"""Ctrl-C, and being told to end, where it does no harm.

Python raises `KeyboardInterrupt` between any two instructions of the main thread. Between the
taking of a lock and the `try` that gives it back that leaves the lock taken: threads which need it,
such as those of the embedder, then wait for ever, and whoever waits for them as well. Other signals
end the process where it stands, and what it had begun stays behind.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While it is entered, signals that end the process do so only inside `allowed`.

    There Ctrl-C raises `KeyboardInterrupt`, the others `SystemExit` with the code that shells give.
    Signals that the process was started to ignore are ignored.
    """

    def __init__(self) -> None:
        self._wanted: int | None = None
        self._allowed = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in SIGNALS
            if signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Here it may interrupt: around what may block for long and holds no lock of ours."""
        try:
            self._allowed = True
            if self._wanted is not None:
                self._end(self._wanted)
            yield
        finally:
            self._allowed = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._wanted = number
        if self._allowed:
            self._end(number)

    def _end(self, number: int) -> None:
        self._allowed = False  # what is tidied up now is not to be interrupted again
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
