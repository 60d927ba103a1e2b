"""Running a worker's app until it is told to stop, or cannot go on."""

import asyncio
import os
import threading

from stepwell.streams.kafka.app import SafeApp

EXIT_STUCK = 70
"""The exit status when stopping hangs; `EX_SOFTWARE` of sysexits.h."""


async def run_app(app: SafeApp, stop: asyncio.Event, *, stop_timeout_s: float = 30.0) -> None:
    """Run until `stop` is set; raises what the app crashed of.

    Stopping that takes longer than the limit ends the process: Faust absorbs cancellation, so
    nothing gentler would be sure to work.
    """
    try:
        await _until_over(app, stop)
    finally:
        hard_exit = threading.Timer(stop_timeout_s, os._exit, args=(EXIT_STUCK,))
        hard_exit.daemon = True
        hard_exit.start()
        try:
            await app.stop()
        finally:
            hard_exit.cancel()
    if app.crash_reason is not None:
        raise app.crash_reason


async def _until_over(app: SafeApp, stop: asyncio.Event) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    for step in (app.start, app.wait_until_stopped):
        running = asyncio.ensure_future(step())
        done, _ = await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        if running in done:
            await running
        if stop.is_set():
            running.cancel()
            await asyncio.wait([running])
            break
    stopping.cancel()
