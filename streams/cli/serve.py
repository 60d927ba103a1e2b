"""`stepwell gateway` and `stepwell worker`: run until SIGTERM or Ctrl-C, then stop in order."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.commands import App
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
    setting_flag,
)

if TYPE_CHECKING:
    from stepwell.streams.settings import Settings

GC_AFTER = 50_000
"""Objects made before the youngest are looked through: a tenth of a worker's time less."""

Run = Callable[["Settings", asyncio.Event], Awaitable[None]]


@click.command()
@setting_flag("--host", "gateway.host", "Address to listen on")
@setting_flag("--port", "gateway.port", "Port to listen on")
@common_options
@pass_invocation
def gateway(invocation: Invocation) -> None:
    """Take webhooks and append them to Kafka; serve instances at /api/v1."""
    serve_until_signalled(invocation, lambda app: app.run_gateway)


@click.command()
@setting_flag("--store", "worker.store", "rocksdb or memory")
@setting_flag("--data-dir", "worker.data_dir", "Directory of the store")
@common_options
@pass_invocation
def worker(invocation: Invocation) -> None:
    """Run workflows. Start as many as you like, each with its own data directory."""
    serve_until_signalled(invocation, lambda app: app.run_worker)


def serve_until_signalled(invocation: Invocation, choose: Callable[[App], Run]) -> None:
    """Run a server as the settings say, until SIGTERM or Ctrl-C."""
    from stepwell.streams.cli.logs import configure_logs

    if invocation.json:
        invocation.flags["log.format"] = "json"
    settings = invocation.settings(warn=False)  # servers log their warnings
    run = choose(invocation.app())
    configure_logs(settings.log)
    # Thousands of live instances make a full collection long, and it finds hardly anything.
    gc.set_threshold(GC_AFTER, 20, 100)
    if signal.SIGINT in asyncio.run(until_signalled(run, settings)):
        click.get_current_context().exit(ExitCode.INTERRUPTED)


async def until_signalled(run: Run, settings: "Settings") -> set[signal.Signals]:
    """Run until done or told to stop; the second signal of a kind ends the process at once."""
    stop, received = asyncio.Event(), set[signal.Signals]()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        received.add(number)
        stop.set()
        loop.remove_signal_handler(number)
        click.echo("Stopping; once more to stop at once.", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    await run(settings, stop)
    return received
