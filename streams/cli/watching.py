"""`--watch`: an answer that is shown again when it has changed.

On a terminal it is drawn in place; elsewhere only what is new is written, a line of JSON for each
with `--json`. Ctrl-C ends it with 130, and leaves the last picture.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

T = TypeVar("T")
TICK_S = 1.0
"""Times that are shown as how long ago are drawn again so often."""

watch_option = click.option(
    "--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C."
)


def can_draw() -> bool:
    """Whether stdout is a terminal on which the cursor can go back."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


async def drawn(answers: AsyncGenerator[T], draw: "Callable[[T], RenderableType]") -> None:
    """Draw each answer in the place of the last one, on the terminal."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        last: T | None = None
        coming = asyncio.ensure_future(anext(answers))
        try:
            while True:
                await asyncio.wait({coming}, timeout=TICK_S)
                if coming.done():
                    try:
                        last = coming.result()
                    except StopAsyncIteration:
                        return
                    coming = asyncio.ensure_future(anext(answers))
                if last is not None:
                    live.update(draw(last), refresh=True)
        finally:
            coming.cancel()
            await asyncio.wait([coming])
            await answers.aclose()


async def written(answers: AsyncGenerator[T], write: Callable[[T], None]) -> None:
    """Hand each answer on, where nothing can be drawn in place."""
    try:
        async for answer in answers:
            write(answer)
    finally:
        await answers.aclose()
