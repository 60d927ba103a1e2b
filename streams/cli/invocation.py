"""One call of the command line, and the options that every command takes."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from stepwell.streams.cli.commands import App, installed_app
from stepwell.streams.cli.model_commands import Models, installed_models
from stepwell.streams.cli.times import Duration

if TYPE_CHECKING:
    from stepwell.streams.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])
Answer = TypeVar("Answer")


class ExitCode(IntEnum):
    """What the process ends with; errors carry their own as `exit_code`."""

    FAILED = 1
    NOT_FOUND = 3
    REFUSED = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


@dataclass(slots=True)
class Invocation:
    """What a call was given: options fill it in wherever on the line they stand."""

    app: Callable[[], App] = installed_app
    models: Callable[[], Models] = installed_models
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    directory: Path = field(default_factory=Path.cwd)
    config: Path | None = None
    flags: dict[str, str] = field(default_factory=dict)
    json: bool = False
    time_format: str = "iso"
    timeout_ms: int | None = None
    deadline_s: float = 0.0
    """On the monotonic clock; it holds when there is a timeout."""

    def run(self, asked: Awaitable[Answer]) -> Answer:
        """What is asked of the app, in time; raises `CommandTimedOut`."""
        return asyncio.run(self._bounded(asked))

    async def _bounded(self, asked: Awaitable[Answer]) -> Answer:
        left_s = None if self.timeout_ms is None else max(0, self.deadline_s - time.monotonic())
        try:
            async with asyncio.timeout(left_s) as bound:
                return await asked
        except TimeoutError:
            if not bound.expired():
                raise
            from stepwell.streams.errors import CommandTimedOut

            raise CommandTimedOut(
                f"not done within {(self.timeout_ms or 0) / 1000:g} s (--timeout); what was asked "
                "for may be done all the same: look before you ask again"
            ) from None

    def settings(self, *, warn: bool = True) -> "Settings":
        """The settings of this call; says on stderr what is unwise about them, if it should."""
        from stepwell.streams.settings_load import load_settings

        settings = load_settings(
            flags=self.flags,
            environ=self.environ,
            config=self.config,
            directory=self.directory,
        )
        for warning in settings.warnings if warn else ():
            click.echo(f"Warning: {warning}", err=True)
        return settings


pass_invocation = click.make_pass_decorator(Invocation)


def common_options(function: Function) -> Function:
    """The options that every command takes."""
    for option in (
        setting_flag("--log-level", "log.level", "debug, info, warning or error"),
        setting_flag("--index", "index.url", "weaviate:// or sqlite: URL of the index"),
        setting_flag("--broker", "kafka.bootstrap", "The same as --bootstrap"),
        setting_flag("--bootstrap", "kafka.bootstrap", "Kafka's addresses"),
        click.option(
            "--set",
            metavar="PATH=VALUE",
            multiple=True,
            expose_value=False,
            callback=_set,
            help="Any setting but a secret; `stepwell config` lists them.",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_config,
            help="Settings in TOML, instead of ./stepwell.toml.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_json,
            help="Answer in JSON.",
        ),
    ):
        function = option(function)
    return function


def asking_options(function: Function) -> Function:
    """The options of every command that asks something and ends: the common ones, and its time."""
    for option in (
        click.option(
            "--time-format",
            type=click.Choice(["iso", "relative"]),
            expose_value=False,
            callback=_time_format,
            help="How tables show times: in UTC, or how long ago. JSON has milliseconds.",
        ),
        click.option(
            "--timeout",
            metavar="SECONDS|5m",
            type=Duration(),
            expose_value=False,
            callback=_timeout,
            help="Give up after this time, with exit code 5.",
        ),
    ):
        function = option(function)
    return common_options(function)


def setting_flag(flag: str, path: str, help_text: str) -> Callable[[Function], Function]:
    """An option for one setting: a shorter way to say `--set path=value`."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.obj.flags[path] = value

    return click.option(
        flag,
        metavar=path.rpartition(".")[2].upper(),
        expose_value=False,
        callback=remember,
        help=f"{help_text} ({path}).",
    )


def _set(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    for text in values:
        path, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} should be PATH=VALUE")
        context.obj.flags[path.strip()] = value


def _config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.obj.config = value


def _json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.obj.json = context.obj.json or value


def _time_format(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.obj.time_format = value


def _timeout(context: click.Context, _: click.Parameter, value: int | None) -> None:
    if value is not None:
        context.obj.timeout_ms = value
        context.obj.deadline_s = time.monotonic() + value / 1000
