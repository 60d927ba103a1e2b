"""Bindings of the examples that need no network, no key and no file: a small world for each."""

import json

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.bindings.database import SqliteDatabase
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.bindings.images import LocalImageModel
from stepwell.streams.bindings.language import LocalModel, Question, first_sentence
from stepwell.streams.bindings.notifier import Outbox
from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.examples import (
    approval,
    brief_analysis,
    data_pipeline,
    embed_content,
    image_pipeline,
    invention_analysis,
    publish_pun,
    scheduled_report,
    user_lifecycle,
)
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.ports import WriteOutcome, WriteStatus

PUNS = (
    "I used to be a baker, but I could not make enough dough",
    "A baker kneads his dough, and his dough needs him",
    "Time flies like an arrow, fruit flies like a banana",
    "A damn bad pun about a beaver",
)
BRIEF = {
    "https://example.com/market": "Bakers order online. They do so at night.",
    "https://example.com/survey": "Half of them use a phone. The others do not.",
}
ORDERS = """id,customer,amount
1001,ada,19.99
1002,grace,5.00
1003,,7.50
1004,alan,twelve
"""
LITERATURE = {
    "papers": "https://papers.example.com/?q={}",
    "patents": "https://patents.example.com/?q={}",
}
IMAGE = "https://example.com/sea.ppm"
SALES = (("north", 120_000), ("south", 80_050), ("west", 64_000), ("east", 99_900))
SALES_DAY = "2026-01-01"


class LocalIndex(InMemoryIndex):
    """Takes documents one at a time, at once."""

    async def upsert_one(self, embedded: Embedded) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`."""
        return _status(embedded.document.key, await self.upsert([embedded]))

    async def remove_one(self, removal: Removal) -> WriteStatus:
        """STORED or STALE; raises `RefusedByIndex`."""
        return _status(removal.key, await self.remove([removal]))


def _status(key: str, outcomes: list[WriteOutcome]) -> WriteStatus:
    (outcome,) = outcomes
    if outcome.status is WriteStatus.REFUSED:
        raise RefusedByIndex(key, outcome.detail)
    return outcome.status


def _index() -> tuple[WordEmbedder, LocalIndex]:
    embedder = WordEmbedder()
    return embedder, LocalIndex(embedder.dimension)


def for_embed_content() -> embed_content.Bindings:
    """An empty index."""
    return embed_content.Bindings(*_index())


def for_publish_pun() -> publish_pun.Bindings:
    """Four drafts, a moderator who objects to one word, and a model that knows two categories."""
    database = SqliteDatabase(schema=publish_pun.TABLES)
    database.insert(
        "INSERT INTO puns (id, text, updated_at) VALUES (?, ?, '2026-01-01T00:00:00Z')",
        list(enumerate(PUNS, 1)),
    )
    return publish_pun.Bindings(database, *_index(), LocalModel(_verdict), LocalModel(_categories))


def for_brief_analysis() -> brief_analysis.Bindings:
    """Two sources, and a model that repeats the first sentence."""
    return brief_analysis.Bindings(LocalSource.of(BRIEF), LocalModel(first_sentence))


def for_image_pipeline() -> image_pipeline.Bindings:
    """One image of one colour."""
    sea = b"P6 320 240 255 " + bytes((0, 105, 148)) * 320 * 240
    source = LocalSource.of({IMAGE: sea}, "image/x-portable-pixmap")
    database = SqliteDatabase(schema=image_pipeline.TABLES)
    return image_pipeline.Bindings(source, MemoryBlobStore(), LocalImageModel(), database)


def for_user_lifecycle() -> user_lifecycle.Bindings:
    """Nobody has logged in yet."""
    return user_lifecycle.Bindings(SqliteDatabase(schema=user_lifecycle.TABLES), Outbox())


def for_data_pipeline() -> data_pipeline.Bindings:
    """A file with two good rows and two bad ones."""
    source = LocalSource.of({"https://example.com/orders.csv": ORDERS}, "text/csv")
    return data_pipeline.Bindings(source, SqliteDatabase(schema=data_pipeline.TABLES))


def for_approval() -> approval.Bindings:
    """Messages that nobody reads."""
    return approval.Bindings(Outbox())


def for_invention_analysis() -> invention_analysis.Bindings:
    """One library that has something, and one that is closed."""
    url = LITERATURE["papers"].format("Self-buttering%20toast")
    source = LocalSource.of({url: "Toast falls on its buttered side. It always has."})
    return invention_analysis.Bindings(LocalModel(_inventor), source, LITERATURE, Outbox())


def for_scheduled_report() -> scheduled_report.Bindings:
    """The sales of one day in four regions, and two models."""
    database = SqliteDatabase(schema=scheduled_report.TABLES)
    database.insert(
        "INSERT INTO sales VALUES (?, ?, ?)",
        [(region, SALES_DAY, cents) for region, cents in SALES],
    )
    models = {"ours": LocalModel(_best_region), "theirs": LocalModel(_best_region)}
    return scheduled_report.Bindings(database, models, Outbox())


def _verdict(question: Question) -> str:
    rude = "damn" in question.prompt
    return json.dumps({"acceptable": not rude, "reason": "rude" if rude else ""})


def _categories(question: Question) -> str:
    known = {"dough": "baking", "flies": "insects"}
    return ", ".join(name for word, name in known.items() if word in question.prompt)


def _inventor(question: Question) -> str:
    wanted = (question.schema or {}).get("properties", {})
    if "claims" in wanted:
        return json.dumps({"claims": [first_sentence(question)]})
    if "score" in wanted:
        return json.dumps({"score": 7, "reasons": "Nobody has buttered from within."})
    return f"Report. {question.prompt}"


def _best_region(question: Question) -> str:
    best = max(question.prompt.split(", "), key=lambda part: float(part.split()[-1]))
    return f"Best was {best}."
