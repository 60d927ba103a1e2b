"""`stepwell broker`: the embedded broker as a process of its own."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import ExitCode, Invocation, common_options, pass_invocation
from stepwell.streams.cli.output import print_json
from stepwell.streams.cli.serve import until_signalled

if TYPE_CHECKING:
    from stepwell.streams.settings import Settings

DATA_DIR = "~/.local/share/stepwell/broker"


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), default=DATA_DIR, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9092,
    show_default=True,
    help="0 takes a free one; DATA_DIR/port says which.",
)
@click.option(
    "--fsync",
    type=click.Choice(["interval", "always"]),
    default="interval",
    show_default=True,
    help="Force data to the disk every second, or before each answer.",
)
@common_options
@pass_invocation
def broker(invocation: Invocation, data_dir: Path, host: str, port: int, fsync: str) -> None:
    """Serve Kafka's protocol on loopback: one node, durable, for one machine."""
    from stepwell.streams.broker import BrokerConfig, EmbeddedBroker, Fsync
    from stepwell.streams.cli.logs import configure_logs

    settings = invocation.settings(warn=False)
    configure_logs(settings.log)
    config = BrokerConfig(data_dir.expanduser(), host=host, port=port, fsync=Fsync(fsync))

    async def run(_: "Settings", stop: asyncio.Event) -> None:
        async with EmbeddedBroker(config) as running:
            if invocation.json:
                print_json(
                    {
                        "address": running.address,
                        "data_dir": str(config.data_dir),
                        "pid": os.getpid(),
                    }
                )
            else:
                click.echo(f"Broker at {running.address}, data in {config.data_dir}")
            await running.wait(stop)

    received = asyncio.run(until_signalled(run, settings))
    if any(number.name == "SIGINT" for number in received):
        click.get_current_context().exit(ExitCode.INTERRUPTED)
