"""The site as a process: its table, its index, the gateway that it hands drafts to."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from stepwell.streams.bindings.http import Http
from stepwell.streams.errors import ConfigurationError
from stepwell.streams.examples.pun_site.book import PunBook
from stepwell.streams.examples.pun_site.handing import HandingOver, start_through
from stepwell.streams.examples.pun_site.neighbours import Neighbours
from stepwell.streams.examples.pun_site.shelf import Shelf, open_shelf
from stepwell.streams.examples.pun_site.site import PunSite
from stepwell.streams.examples.pun_site.worker import open_database
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.settings import Settings

log = structlog.get_logger(__name__)

HOST, PORT = "127.0.0.1", 8410


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """What the site needs to know."""

    data: Path
    """The folder with the table, the same as the worker's."""
    gateway_url: str
    host: str = HOST
    port: int = PORT
    words: bool = False
    """Whether puns are alike by their words; otherwise by the model of the settings."""


async def serve_puns(
    config: SiteConfig,
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until `stop` is set; `ready` is told the address. Raises `ConfigurationError`."""
    token = settings.gateway.token
    async with AsyncExitStack() as opened:
        database = open_database(config.data)
        opened.callback(database.close)
        targets = await opened.enter_async_context(open_shelf(settings, words=config.words))
        shelf = Shelf(targets)
        opened.push_async_callback(shelf.close)
        http = await opened.enter_async_context(Http(private=True))
        book = PunBook(database)
        await book.add_first_puns()
        start = start_through(
            http, config.gateway_url.rstrip("/"), token.get_secret_value() if token else None
        )
        neighbours = Neighbours(shelf.current)
        handing = HandingOver(book, start)
        working = [
            asyncio.create_task(handing.run()),
            asyncio.create_task(neighbours.around("the model is loaded before somebody waits")),
        ]
        runner = make_runner(PunSite(book, neighbours, handing).app())
        await runner.setup()
        try:
            await _listen(runner, config)
            address = f"http://{config.host}:{config.port}"
            log.info("pun site listening", url=address)
            ready(address)
            await stop.wait()
        finally:
            for task in working:
                task.cancel()
            await asyncio.wait(working)
            await runner.cleanup()


async def _listen(runner: web.AppRunner, config: SiteConfig) -> None:
    try:
        await web.TCPSite(runner, config.host, config.port).start()
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror}; choose another "
            "--port, or stop what uses this one"
        ) from error
