"""Ends a worker that owns partitions but makes no progress; its supervisor starts it again.

Kafka clients are known to stop without an error after an outage. A thread watches, so that an event
loop that hangs is noticed as well.
"""

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

EXIT_STUCK = 70
"""`EX_SOFTWARE` of sysexits.h."""
BEAT_S = 1.0


class Watchdog:
    """Barks when the loop stands still, or when work waits and none is finished, for too long."""

    def __init__(
        self,
        timeout_ms: int,
        work: Callable[[], tuple[int, int]],
        bark: Callable[[str], None] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`work` gives (records finished so far, records that wait)."""
        self._timeout_s = timeout_ms / 1000
        self._work = work
        self._bark = bark or end_process
        self._monotonic_s = monotonic_s
        self._beat_at = self._progress_at = monotonic_s()
        self._finished = -1
        self._over = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        threading.Thread(target=self._watch, name="stepwell-watchdog", daemon=True).start()
        try:
            while True:
                self.beat()
                await asyncio.sleep(min(BEAT_S, self._timeout_s / 4))
        finally:
            self._over.set()

    def beat(self) -> None:
        """The loop is alive; note whether work moves."""
        self._beat_at = now = self._monotonic_s()
        finished, waiting = self._work()
        if finished != self._finished or waiting == 0:
            self._finished, self._progress_at = finished, now

    def check(self) -> str | None:
        """What is wrong now, if anything."""
        now = self._monotonic_s()
        if now - self._beat_at > self._timeout_s:
            return f"the event loop has not turned for {now - self._beat_at:.0f} s"
        if now - self._progress_at > self._timeout_s:
            return f"records wait and none was finished for {now - self._progress_at:.0f} s"
        return None

    def _watch(self) -> None:
        while not self._over.wait(min(BEAT_S, self._timeout_s / 4)):
            if problem := self.check():
                self._bark(problem)
                return


def end_process(problem: str) -> None:
    """Say what is wrong and where every thread is, then end the process at once."""
    log.critical("watchdog", problem=problem)
    faulthandler.dump_traceback(file=sys.stderr)
    os._exit(EXIT_STUCK)
