"""Publish a pun: moderate it, make it searchable, put it into categories.

load-pun -> moderate -> embed -> categorise (optional) -> upsert-pun -> upsert-category … -> publish

A pun that moderation refuses is marked as rejected, with the reason, and ends the instance: trying
again would not make it better. Without categories a pun is published all the same.

`similar_puns` and `preview` answer at once, for a page that shows a pun or one that is being typed.
`stepwell example site` runs such pages around it (`pun_site/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stepwell.schemas.documents import Document, Embedded, Hit, SearchFilters, Vector
from stepwell.streams.bindings.database import Database
from stepwell.streams.bindings.language import LanguageModel, Question, ask_for
from stepwell.streams.engine.errors import NonRetryableError, StepError
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.examples.embed_content import PATIENT, Index, store
from stepwell.streams.ports import Embedder, VectorIndex

TABLES = """
CREATE TABLE IF NOT EXISTS puns (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL, updated_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft', reason TEXT, categories TEXT
);
"""
CATEGORIES_MAX = 3


@dataclass(frozen=True, slots=True)
class Submitted:
    """The parameters: which row is to be published."""

    pun_id: int


@dataclass(frozen=True, slots=True)
class Pun:
    """A pun as it was written."""

    id: int
    text: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the moderating model says."""

    acceptable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """The output."""

    pun_id: int
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through; without `categoriser` there are none."""

    database: Database
    embedder: Embedder
    index: Index
    moderator: LanguageModel
    categoriser: LanguageModel | None = None


class PublishPun(Workflow, name="publish-pun"):
    """One pun, from draft to published or rejected."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Submitted], step: Step) -> Published:
        """Publish one pun."""
        pun = await step.do("load-pun", self.load, event.payload.pun_id)
        await step.do("moderate", self.moderate, pun)
        vector = await step.do("embed", self.env.embedder.embed, pun.text)
        categories = await self.categories(pun, step)
        document = pun_document(pun, categories)
        await step.do("upsert-pun", self.upsert, document, vector, retries=PATIENT)
        await step.map("upsert-category", self.upsert_category, categories, retries=PATIENT)
        return await step.do("publish", self.publish, pun, categories)

    async def categories(self, pun: Pun, step: Step) -> tuple[str, ...]:
        """The categories of the pun; none when no model can tell."""
        if self.env.categoriser is None:
            return ()
        try:
            return await step.do(
                "categorise", self.categorise, pun.text, retries=Retries(limit=2, delay="1 second")
            )
        except StepError:
            return ()

    async def load(self, pun_id: int) -> Pun:
        """The pun as it is now."""
        sql = "SELECT id, text, updated_at FROM puns WHERE id = ?"
        rows = await self.env.database.query(sql, pun_id)
        if not rows:
            raise NonRetryableError(f"there is no pun {pun_id}")
        return Pun(pun_id, str(rows[0]["text"]), str(rows[0]["updated_at"]))

    async def moderate(self, pun: Pun) -> None:
        """Let it pass, or mark it as rejected and raise."""
        question = Question(pun.text, "Is this pun fit for everybody? Say why not.")
        verdict = await ask_for(self.env.moderator, Verdict, question)
        if not verdict.acceptable:
            sql = "UPDATE puns SET status = 'rejected', reason = ? WHERE id = ?"
            await self.env.database.query(sql, verdict.reason, pun.id)
            raise NonRetryableError(f"pun {pun.id} was rejected: {verdict.reason}")

    async def categorise(self, text: str) -> tuple[str, ...]:
        """A few words that say what it plays with."""
        assert self.env.categoriser is not None
        task = f"Name at most {CATEGORIES_MAX} categories of this pun, separated by commas."
        answer = await self.env.categoriser.answer(Question(text, task))
        names = dict.fromkeys(name.strip().lower() for name in answer.split(","))
        return tuple(name for name in names if name)[:CATEGORIES_MAX]

    async def upsert(self, document: Document, vector: Vector) -> None:
        """Make it searchable."""
        await store(self.env.index, Embedded(document, vector, self.env.embedder.model_id))

    async def upsert_category(self, name: str) -> None:
        """Make a category searchable."""
        await self.upsert(category_document(name), await self.env.embedder.embed(name))

    async def publish(self, pun: Pun, categories: Sequence[str]) -> Published:
        """Show it to everybody."""
        sql = "UPDATE puns SET status = 'published', categories = ? WHERE id = ?"
        await self.env.database.query(sql, ", ".join(categories), pun.id)
        return Published(pun.id, tuple(categories))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pun would be like, before it is stored: puns like it, and its likely categories."""

    similar: tuple[str, ...]
    categories: tuple[str, ...]


async def similar_puns(pun: Pun, embedder: Embedder, index: VectorIndex) -> list[Hit]:
    """Published puns like this one."""
    hits = await nearest(await embedder.embed_query(pun.text), index, "pun")
    return [hit for hit in hits if hit.document.number != pun.id]


async def preview(text: str, embedder: Embedder, index: VectorIndex) -> Preview:
    """A look at a pun that is being typed; stores nothing, asks no language model."""
    vector = await embedder.embed_query(text)
    puns = await nearest(vector, index, "pun")
    categories = await nearest(vector, index, "pun-category")
    return Preview(
        tuple(hit.document.body for hit in puns), tuple(hit.document.body for hit in categories)
    )


async def nearest(vector: Vector, index: VectorIndex, kind: str, limit: int = 5) -> list[Hit]:
    """The puns, or categories, that are nearest to a text of this vector."""
    return await index.search(vector, limit=limit, filters=SearchFilters(type=kind))


def pun_document(pun: Pun, categories: Sequence[str]) -> Document:
    """A pun as the index holds it."""
    return Document(
        key=f"pun:{pun.id}",
        type="pun",
        repo="puns",
        number=pun.id,
        title="",
        body=pun.text,
        state="published",
        url="",
        updated_at=pun.updated_at,
        labels=tuple(categories),
    )


def category_document(name: str) -> Document:
    """A category as the index holds it; it never changes, so it has one version."""
    return Document(
        key=f"pun-category:{name}",
        type="pun-category",
        repo="puns",
        number=0,
        title="",
        body=name,
        state="published",
        url="",
        updated_at="2000-01-01T00:00:00Z",
    )
