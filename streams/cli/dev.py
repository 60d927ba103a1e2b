"""`stepwell dev`: broker, worker, gateway and index on this machine, until Ctrl-C."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import orjson

from stepwell.streams.cli.interrupts import SIGNALS
from stepwell.streams.cli.invocation import (
    ExitCode,
    Invocation,
    common_options,
    pass_invocation,
)
from stepwell.streams.cli.output import discard

if TYPE_CHECKING:
    from stepwell.streams.dev.parts import Plan
    from stepwell.streams.dev.supervisor import Part, Supervisor


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=".stepwell",
    show_default=True,
    help="Folder that holds everything; the next run goes on from it.",
)
@common_options
@pass_invocation
def dev(invocation: Invocation, data: Path) -> None:
    """Run everything here: embedded broker and index, a worker, the gateway.

    A setting that names a Kafka (kafka.bootstrap) or an index (index.url) is used instead of the
    embedded one.
    """
    from stepwell.streams.dev.parts import plan

    settings, models = invocation.settings(), invocation.models()
    directory = settings.model.dir or models.model_directory(settings.model.id)
    models.pull(models.find_preset(settings.model.id), directory, source=None, report=_say)
    options = [f"--set={path}={value}" for path, value in invocation.flags.items()]
    if invocation.config:
        options += ["--config", str(invocation.config.resolve())]
    planned = plan(settings, data.resolve(), options)
    logs = data.resolve() / "logs"
    introduce = partial(_introduce, planned, logs, as_json=invocation.json)
    run_parts(invocation, planned.parts, logs, introduce)


def run_parts(
    invocation: Invocation, parts: Sequence["Part"], logs: Path, introduce: Callable[[], None]
) -> None:
    """Keep these running until Ctrl-C; the first is there before the others are started."""
    received = asyncio.run(_run(invocation, parts, logs, introduce))
    if received == signal.SIGINT:
        click.get_current_context().exit(ExitCode.INTERRUPTED)


async def _run(
    invocation: Invocation, parts: Sequence["Part"], logs: Path, introduce: Callable[[], None]
) -> signal.Signals | None:
    from stepwell.streams.dev.supervisor import Supervisor

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    received: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        stop.set()

    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # by `nohup`
            loop.add_signal_handler(number, on_signal, number)

    def say(part: "Part", what: str) -> None:
        if invocation.json:
            _say_json({"part": part.name, "status": what, "address": part.address})
        else:
            _say(f"{part.name:8} {what:12} {part.address}")

    supervisor = Supervisor(logs, say)
    starting = asyncio.ensure_future(_start_all(supervisor, parts))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            introduce()
            await stopping
    finally:
        starting.cancel()
        await supervisor.stop()
    return received[0] if received else None


async def _start_all(supervisor: "Supervisor", parts: Sequence["Part"]) -> None:
    first, *others = parts  # the broker, where there is one: the others need it
    await supervisor.start(first)
    await asyncio.gather(*(supervisor.start(part) for part in others))


def _introduce(planned: "Plan", logs: Path, *, as_json: bool) -> None:
    if as_json:
        _say_json(
            {
                "ready": True,
                "gateway": planned.gateway_url,
                "bootstrap": planned.bootstrap,
                "index": planned.index_url,
                "secret_file": str(planned.secret_file),
                "logs": str(logs),
            }
        )
        return
    _say(
        f"""
dashboard {planned.gateway_url}
webhooks  {planned.gateway_url}/webhooks/github   (secret: {planned.secret_file})
kafka     {planned.bootstrap}
index     {planned.index_url}
logs      {logs}

In another terminal:
  export STEPWELL_KAFKA_BOOTSTRAP={planned.bootstrap} STEPWELL_INDEX_URL='{planned.index_url}'
  stepwell search 'your words'
  stepwell instances list
Ctrl-C stops everything."""
    )


def _say_json(facts: dict[str, object]) -> None:
    """One line a fact, for whoever reads along."""
    _tell(orjson.dumps(facts), sys.stdout)


def _say(line: str) -> None:
    _tell(line, sys.stderr)


def _tell(line: str | bytes, stream: TextIO) -> None:
    """Say it, if anybody hears: when the terminal is closed the parts are to be stopped as ever."""
    try:
        click.echo(line, stream)
    except OSError:
        discard(stream)
