"""The `stepwell` group: our errors become one line on stderr and an exit code."""

from typing import Any

import click

from stepwell.streams.cli.blobs import blobs
from stepwell.streams.cli.broker import broker
from stepwell.streams.cli.check import check
from stepwell.streams.cli.completion import completion
from stepwell.streams.cli.config import config
from stepwell.streams.cli.dev import dev
from stepwell.streams.cli.dlq import dlq
from stepwell.streams.cli.doctor import doctor
from stepwell.streams.cli.earlier import reindexes, replays
from stepwell.streams.cli.embed import embed
from stepwell.streams.cli.example import example
from stepwell.streams.cli.explain import explain
from stepwell.streams.cli.forget import forget
from stepwell.streams.cli.index import index
from stepwell.streams.cli.instances import instances
from stepwell.streams.cli.invocation import ExitCode, Invocation, common_options
from stepwell.streams.cli.model import model
from stepwell.streams.cli.output import clean
from stepwell.streams.cli.publish import publish
from stepwell.streams.cli.reindex import reindex
from stepwell.streams.cli.replay import replay
from stepwell.streams.cli.schema import schema
from stepwell.streams.cli.search import search
from stepwell.streams.cli.serve import gateway, worker
from stepwell.streams.cli.topics import topics
from stepwell.streams.cli.triggering import trigger
from stepwell.streams.cli.workflows import workflows


class Root(click.Group):
    """The edge of the program."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """The context of a call, with an `Invocation` unless the caller brings one."""
        extra.setdefault("obj", Invocation())
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            ctx.exit(ExitCode.INTERRUPTED)
        except _our_errors() as error:
            raise _failure(error) from error


def _our_errors() -> tuple[type[Exception], ...]:
    """The roots of our error hierarchies, imported only when something has gone wrong."""
    from stepwell.models.errors import ModelError
    from stepwell.schemas.errors import SchemaError
    from stepwell.streams.engine.errors import EngineError
    from stepwell.streams.errors import StepwellError

    return (StepwellError, EngineError, ModelError, SchemaError)


def _failure(error: Exception) -> click.ClickException:
    failure = click.ClickException(clean(error))
    failure.exit_code = getattr(error, "exit_code", ExitCode.FAILED)
    next_step = getattr(error, "next_step", "") or _NEXT_STEPS.get(failure.exit_code)
    if next_step:
        failure.message += f"\nTry: {next_step}"
    return failure


_NEXT_STEPS = {
    int(ExitCode.NOT_FOUND): "stepwell instances list",
    int(ExitCode.UNREACHABLE): "stepwell doctor",
}


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stepwell")
@common_options
def cli() -> None:
    """Durable workflows on your own Kafka.

    Settings are taken from options, then from the environment (STEPWELL_KAFKA_BOOTSTRAP), then from
    stepwell.toml.

    Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, 4 refused, 5 unreachable,
    130 interrupted.
    """


for command in (reindex, reindexes, replays):
    cli.add_command(command)
for command in (dev, gateway, worker, broker, model, embed, example):
    cli.add_command(command)
for command in (publish, replay, schema):
    cli.add_command(command)
for command in (search, index, trigger, workflows, instances, explain, check, dlq, forget, blobs):
    cli.add_command(command)
for command in (topics, config, doctor, completion):
    cli.add_command(command)
