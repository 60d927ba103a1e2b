"""Embed every issue of a repository anew, after a change of the model: bulk, page by page.

list-page -> reindex (many at once) -> continue as new with the next page, until there is none

Each page is a run of its own with an empty history, so a repository may have any number of issues.
A document that an event has made newer meanwhile stays as it is. Live events go first:

    stepwell trigger reindex-content --lane bulk --params '{"repo": "acme/site"}'
"""

from collections import Counter
from dataclasses import dataclass, field

from stepwell.schemas.documents import Document, Embedded
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.github import document_of, github_event
from stepwell.streams.bindings.sources import Source
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.examples.embed_content import PATIENT, Index, store
from stepwell.streams.ports import Embedder

PAGE = "{api}/repos/{repo}/issues?state=all&sort=created&direction=asc&per_page={size}&page={page}"


@dataclass(frozen=True, slots=True)
class Reindex:
    """The parameters; `page` and `outcomes` are what one run hands to the next."""

    repo: str
    page: int = 1
    page_size: int = 50
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IssuePage:
    """The issues of one page."""

    documents: tuple[Document, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    source: Source
    embedder: Embedder
    index: Index
    api: str = "https://api.github.com"


class ReindexContent(Workflow, name="reindex-content"):
    """One repository, from its first issue to the last."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Reindex], step: Step) -> dict[str, int]:
        """Carry one page to the index; after the last, how many documents ended in which way."""
        task = event.payload
        page = await step.do("list-page", self.list_page, task, retries=PATIENT)
        done = await step.map("reindex", self.reindex, page.documents, retries=PATIENT)
        outcomes = dict(Counter(task.outcomes) + Counter(done))
        if page.is_last:
            return outcomes
        return step.continue_as_new(Reindex(task.repo, task.page + 1, task.page_size, outcomes))

    async def list_page(self, task: Reindex) -> IssuePage:
        """The issues of one page; pull requests, which GitHub lists among them, are left out."""
        url = PAGE.format(api=self.env.api, repo=task.repo, size=task.page_size, page=task.page)
        found: list[dict[str, Json]] = (await self.env.source.fetch(url)).json()
        documents = tuple(
            issue_document(task.repo, issue) for issue in found if "pull_request" not in issue
        )
        return IssuePage(documents, is_last=len(found) < task.page_size)

    async def reindex(self, document: Document) -> str:
        """Embed and store one issue."""
        text = document.text()
        if not text:
            return "skipped: no text"
        vector = await self.env.embedder.embed(text)
        embedded = Embedded(document, vector, self.env.embedder.model_id)
        return (await store(self.env.index, embedded)).outcome


def issue_document(repo: str, issue: Json) -> Document:
    """An issue of the API as its event would bring it."""
    payload = {"action": "edited", "issue": issue, "repository": {"full_name": repo}}
    event = github_event("issues", "reindex", payload)
    assert isinstance(event, CloudEvent)
    return document_of(event.data)
