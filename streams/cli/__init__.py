"""The command line: parses, calls one function of another room, prints. Nothing else.

It must start fast: whatever is slow to import is imported by the command that needs it.
"""

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepwell.streams.cli.commands import App

_INTERRUPTED = 130


def main() -> None:
    """The entry point of the `stepwell` script."""
    _quiet_libraries()
    try:
        from stepwell.streams.cli.invocation import Invocation
        from stepwell.streams.cli.root import cli
    except KeyboardInterrupt:  # Ctrl-C while it starts; later `cli` sees to it
        sys.exit(_INTERRUPTED)
    cli(prog_name="stepwell", obj=Invocation(app=_app))


def _app() -> "App":
    """The real one. What it has to warn of goes to stderr: stdout is for the answer."""
    import structlog

    from stepwell.streams.cli.commands import installed_app

    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    return installed_app()


def _quiet_libraries() -> None:
    """An error is one line of ours: what libraries log is for servers, which ask for it."""
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:  # deprecations are for us, and tests show them
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").setLevel(logging.ERROR)


__all__ = ["main"]
