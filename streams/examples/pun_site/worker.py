"""The worker's half: `publish-pun` on the table of the site and the index of the settings.

Set `worker.workflows` to `stepwell.streams.examples.pun_site.worker:puns`; in the environment:

    PUNS_DATA              the folder with the table, the same as the site's
    PUNS_WORDS             anything: puns are alike by their words, no model is needed
    EXAMPLES_CHAT_URL …    a language model that moderates and categorises (see `online.py`);
                           without one, the rules of `texts.py` do
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from stepwell.streams.bindings.database import SqliteDatabase
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.language import LocalModel
from stepwell.streams.examples.online import chats_of
from stepwell.streams.examples.publish_pun import Bindings, PublishPun
from stepwell.streams.examples.pun_site.book import TABLES
from stepwell.streams.examples.pun_site.shelf import open_shelf
from stepwell.streams.examples.pun_site.texts import categories, verdict
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.everywhere import EveryCollection
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import Settings

FACTORY = f"{__name__}:puns"
DATABASE = "puns.db"


def open_database(data: Path) -> SqliteDatabase:
    """The table in this folder, made when it is missing."""
    data.mkdir(parents=True, exist_ok=True)
    return SqliteDatabase(data / DATABASE, TABLES)


@asynccontextmanager
async def puns(settings: Settings) -> AsyncIterator[Workflows]:
    """`publish-pun`, with what it needs."""
    async with AsyncExitStack() as opened:
        database = open_database(Path(os.environ.get("PUNS_DATA", ".stepwell")))
        opened.callback(database.close)
        words = bool(os.environ.get("PUNS_WORDS"))
        targets = await opened.enter_async_context(open_shelf(settings, words=words))
        http = await opened.enter_async_context(Http(private=True))
        current = await targets.find()
        await current.index.open()
        index = BatchedIndex(EveryCollection(targets))
        opened.push_async_callback(index.close)
        chat = next(iter(chats_of(http, os.environ).values()), None)
        bindings = Bindings(
            database,
            current.embedder,
            index,
            chat or LocalModel(verdict),
            chat or LocalModel(categories),
        )
        yield Workflows([(PublishPun, bindings)])
