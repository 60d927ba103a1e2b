"""Searches in a real index of one file, with an embedder that needs no model."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from stepwell.schemas.documents import Document, Embedded
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.index.targets import Means, Targets
from stepwell.streams.operator.searching import Searching

BAKER = "A baker kneads his dough, and his dough needs him"
PRODUCER = InstanceKey("embed-content", "delivery-1")


class QueryEmbedder(WordEmbedder):
    """Refuses what the real one refuses."""

    async def embed_query(self, text: str) -> np.ndarray:
        if not text.strip():
            raise ValueError("the query is empty")
        return await self.embed(text)


class FileTargets:
    """Targets of one file in a folder."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite://{folder}/index.db"

        async def load(_: str) -> WordEmbedder:
            return QueryEmbedder()

        self.targets = Targets(
            Means(
                store=make_directory(url, "Documents"),
                open_index=lambda one: make_index(url, one.name, one.dimension, first="Documents"),
                load=load,
                first="Documents",
                first_model="words",
            )
        )

    async def get(self) -> Targets:
        return self.targets

    async def close(self) -> None:
        await self.targets.close()


def document(number: int, title: str, **fields: object) -> Document:
    facts = {
        "key": f"github:acme/site#{number}",
        "type": "issue",
        "repo": "acme/site",
        "number": number,
        "title": title,
        "body": "",
        "state": "open",
        "url": f"https://github.com/acme/site/issues/{number}",
        "updated_at": "2026-01-02T03:04:05Z",
    }
    return Document(**(facts | fields))  # type: ignore[arg-type]


DOCUMENTS = (
    document(1, "Login fails on Safari", labels=("bug", "ui")),
    document(2, "Login fails on Firefox", state="closed", labels=("bug",)),
    document(3, "Dark theme", body="long " * 1000, repo="acme/app"),
    document(
        4,
        "<script>alert('dough')</script>",
        url="javascript:alert(1)",
        type='"><img src=x onerror=alert(1)>',
        labels=("<b>",),
    ),
)


async def fill(targets: Targets, documents: Collection[Document] = DOCUMENTS) -> None:
    current = await targets.find()
    await current.index.open()
    embedded = [
        Embedded(each, await current.embedder.embed(each.text()), "words") for each in documents
    ]
    await current.index.upsert(embedded)


async def producers(keys: Collection[str]) -> dict[str, InstanceKey]:
    return {key: PRODUCER for key in keys if key.endswith("#1")}


async def no_journal(_: Collection[str]) -> dict[str, InstanceKey]:
    raise BrokerUnavailable("Kafka is away")


class NoInstances:
    """A read model that knows none."""

    async def about(self, _subjects: object, _workflows: object) -> dict[str, InstanceKey]:
        return {}


@asynccontextmanager
async def searching_in(folder: Path, **options: object) -> AsyncIterator[Searching]:
    targets = FileTargets(folder)
    await fill(targets.targets)
    searching = Searching(targets, options.pop("producers", producers), **options)  # type: ignore[arg-type]
    try:
        yield searching
    finally:
        await searching.close()
