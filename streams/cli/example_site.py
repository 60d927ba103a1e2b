"""`stepwell example site`: the site of the puns, with everything that it needs."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stepwell.streams.cli.invocation import Invocation, common_options, pass_invocation
from stepwell.streams.cli.output import print_json_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stepwell.streams.dev.supervisor import Part

DATA = ".stepwell-puns"
PORT, PORT_MAX = 8410, 65535


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
    help="Folder that holds everything; the next run goes on from it.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the site.")
@click.option(
    "--port", type=click.IntRange(1, PORT_MAX), default=PORT, show_default=True, help="Its port."
)
@click.option("--words", is_flag=True, help="Puns are alike by their words: no model is needed.")
@click.option(
    "--gateway",
    metavar="URL",
    help="Only the site: this gateway takes the puns, a worker of its carries publish-pun.",
)
@common_options
@pass_invocation
def site(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    *,
    data: Path,
    host: str,
    port: int,
    words: bool,
    gateway: str | None,
) -> None:
    """Run a small site of puns: read, find similar ones, preview a new one, publish it.

    Everything runs here, as with `stepwell dev`: broker, index, a worker that carries publish-pun,
    a gateway, and the site. A pun is moderated by the durable workflow, so nothing is lost when
    any of them is killed.
    """
    if gateway is not None:
        _serve(invocation, data, (host, port), gateway, words=words)
        return
    from stepwell.streams.cli.dev import run_parts
    from stepwell.streams.dev.parts import plan
    from stepwell.streams.examples.pun_site.worker import FACTORY

    invocation.flags.setdefault("worker.workflows", FACTORY)
    settings, folder = invocation.settings(), data.resolve()
    if not words:
        models = invocation.models()
        directory = settings.model.dir or models.model_directory(settings.model.id)
        models.pull(models.find_preset(settings.model.id), directory, source=None, report=_say)
    options = [f"--set={path}={value}" for path, value in invocation.flags.items()]
    if invocation.config:
        options += ["--config", str(invocation.config.resolve())]
    planned = plan(settings, folder, options)
    environ = {"PUNS_DATA": str(folder)} | ({"PUNS_WORDS": "1"} if words else {})
    parts = [replace(it, environ={**it.environ, **environ}) for it in planned.parts]
    arguments = ["--data", str(folder), "--host", host, "--port", str(port)]
    arguments += ["--gateway", planned.gateway_url, *(["--words"] if words else []), *options]
    address = f"http://{host}:{port}"
    parts.append(_site_part(arguments, parts[0].environ, address))
    introduce = partial(_introduce, invocation, address, planned.gateway_url)
    run_parts(invocation, parts, folder / "logs", introduce)


def _site_part(arguments: "Sequence[str]", environ: "Mapping[str, str]", address: str) -> "Part":
    from stepwell.streams.dev.parts import answers
    from stepwell.streams.dev.supervisor import Part

    command = [sys.executable, "-m", "stepwell.streams.cli", "example", "site", *arguments]
    return Part("site", command, environ, answers(f"{address}/healthz"), address)


def _introduce(invocation: Invocation, address: str, gateway_url: str) -> None:
    if invocation.json:
        print_json_line({"ready": True, "site": address, "gateway": gateway_url})
        return
    _say(f"\nPuns       {address}\nDashboard  {gateway_url}\nCtrl-C stops everything.")


def _serve(
    invocation: Invocation, data: Path, place: tuple[str, int], gateway: str, *, words: bool
) -> None:
    """The site alone, until it is told to stop."""
    from stepwell.streams.cli.serve import serve_until_signalled
    from stepwell.streams.examples.pun_site.serving import SiteConfig, serve_puns

    host, port = place
    config = SiteConfig(data, gateway, host, port, words)
    serve_until_signalled(invocation, lambda _: partial(serve_puns, config))


def _say(line: str) -> None:
    click.echo(line, err=True)
