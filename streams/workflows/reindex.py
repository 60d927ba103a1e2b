"""Embed every document of a file or a repository again: bulk, batch by batch, kill it as you like.

choose-collection -> cut -> index-batch (two at once) -> note-seen -> continue as new … -> prune

A step is a batch. Its record holds counts, failures and nothing of the documents, so the journal
stays small, and a worker that dies repeats the batches it was at; storing a document again changes
nothing. A document that an event has made newer meanwhile stays as it is.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from stepwell.streams.bindings.patience import COURTEOUS
from stepwell.streams.blobs import BlobRef, BlobStore, BlobUnreadable
from stepwell.streams.content.github_api import GithubApi
from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent
from stepwell.streams.index.errors import UnknownCollection
from stepwell.streams.index.targets import Target, Targets
from stepwell.streams.ports import VectorIndex
from stepwell.streams.workflows import reindex_prune as prune
from stepwell.streams.workflows.reindex_batch import Outcomes, index_documents
from stepwell.streams.workflows.reindex_github import GithubSource
from stepwell.streams.workflows.reindex_prune import Page, Seen
from stepwell.streams.workflows.reindex_sources import (
    Batch,
    Cuts,
    FileSource,
    Source,
)

BATCHES_PER_RUN = 50
BATCHES_IN_FLIGHT = 2
"""One fills the model's groups while another is being stored."""
DOCUMENTS_PER_BATCH_MAX = 512
BATCH_TIMEOUT = "1 hour"
"""Long, for live texts go first: what is given up here is done again."""


@dataclass(frozen=True, slots=True)
class Reindex:
    """The parameters: what is asked for, and what one run hands to the next."""

    source: str
    """What people call it."""
    file: BlobRef | None = None
    """The documents, as lines; without it, `repo` is asked for them."""
    repo: str = ""
    documents: int | None = None
    """How many there are, if that is known."""
    into: str | None = None
    """The collection; otherwise the one that is current at the start."""
    rate: float | None = None
    """Documents per second, at most."""
    prune: bool = False
    """Whether to remove what the collection has, of the types and repositories that the source
    brought, but the source has not."""
    as_of: str = ""
    """The version of documents that name none: when the re-index began."""
    next: Batch = field(default_factory=lambda: Batch(1))
    outcomes: Outcomes = field(default_factory=Outcomes)
    seen: BlobRef | None = None
    """The keys so far, if they are needed to prune."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """The record of a batch."""

    outcomes: Outcomes
    is_last: bool = False
    seen: BlobRef | None = None


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    blobs: BlobStore
    targets: Targets
    github: GithubApi


class ReindexDocuments(Workflow, name="reindex"):
    """One source, from its first document to the last."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Reindex], step: Step) -> Outcomes:
        """Carry some batches to the index; after the last, how the documents ended."""
        task = event.payload
        if not task.as_of:
            task = replace(task, as_of=event.timestamp.isoformat())
        if not task.into:
            into = await step.do("choose-collection", self.choose_collection, retries=COURTEOUS)
            task = replace(task, into=into)
        cuts = await step.do("cut", self.cut, task, retries=COURTEOUS)
        done = await self._index(task, cuts, step)
        outcomes = Outcomes.total((task.outcomes, *(it.outcomes for it in done)))
        seen = task.seen
        if task.prune:
            parts = [seen, *(it.seen for it in done)]
            seen = await step.do("note-seen", self.note_seen, parts, retries=COURTEOUS)
        rest = cuts.if_last if any(it.is_last for it in done) else cuts.rest
        if rest is not None:
            step.continue_as_new(replace(task, next=rest, outcomes=outcomes, seen=seen))
        return await self._prune(replace(task, seen=seen), outcomes, step)

    async def choose_collection(self) -> str:
        """The collection that searches go to now."""
        return (await self.env.targets.find()).collection.name

    async def cut(self, task: Reindex) -> Cuts:
        """Where the next batches begin and end."""
        try:
            return await self._source(task).cut(task.next, BATCHES_PER_RUN)
        except BlobUnreadable as error:
            raise _not_shared(error) from error

    async def index_batch(self, task: Reindex, batch: Batch) -> Indexed:
        """Read, embed and store the documents of a batch."""
        try:
            found = await self._source(task).read(batch)
        except BlobUnreadable as error:
            raise _not_shared(error) from error
        target = await self._target(task)
        outcomes = await index_documents(target, found.documents)
        unread = Outcomes.of_failures(found.failures)
        seen = None
        if task.prune:
            seen = await self.env.blobs.put(Seen.of(found.documents).encode())
        return Indexed(Outcomes.total((unread, outcomes)), found.is_last, seen)

    async def note_seen(self, parts: list[BlobRef | None]) -> BlobRef:
        """The keys of these batches and of those before them, as one list."""
        lists = [Seen.decode(await self.env.blobs.get(part)) for part in parts if part]
        return await self.env.blobs.put(Seen.merged(lists).encode())

    async def find_vanished(self, task: Reindex, after: str | None) -> Page:
        """Look at a page of what the collection holds for what the source does not have."""
        assert task.seen is not None
        seen, index = Seen.decode(await self.env.blobs.get(task.seen)), await self._index_of(task)
        removals, rest = await prune.find_vanished(index, after, seen, self._source(task))
        ref = await self.env.blobs.put(prune.encode(removals)) if removals else None
        return Page(ref, rest)

    async def remove(self, task: Reindex, vanished: BlobRef) -> int:
        """Remove what was found; how many."""
        return await prune.remove(await self._index_of(task), await self.env.blobs.get(vanished))

    # --- inside -------------------------------------------------------------------------------

    async def _index(self, task: Reindex, cuts: Cuts, step: Step) -> list[Indexed]:
        """Two at once, begun in their order; no more after one that was the last."""
        done: dict[int, Indexed] = {}
        waiting = iter(enumerate(cuts.batches))
        began = step.now()

        async def carry() -> None:
            for position, batch in waiting:
                done[position] = await step.do(
                    "index-batch",
                    self.index_batch,
                    task,
                    batch,
                    retries=COURTEOUS,
                    timeout=BATCH_TIMEOUT,
                )
                if any(it.is_last for it in done.values()):
                    return
                if task.rate:
                    documents = sum(it.outcomes.documents for it in done.values())
                    due = began + timedelta(seconds=documents / task.rate)
                    if due > step.now():
                        await step.sleep_until("slow-down", due)

        in_flight = 1 if task.rate else BATCHES_IN_FLIGHT
        await asyncio.gather(*(carry() for _ in range(in_flight)))
        return [done[position] for position in sorted(done)]

    async def _prune(self, task: Reindex, outcomes: Outcomes, step: Step) -> Outcomes:
        if not task.prune:
            return outcomes
        if outcomes.unread:
            why = f"nothing was pruned: what {outcomes.unread} lines are about is not known"
            return replace(outcomes, note=why)
        after: str | None = None
        while True:
            page = await step.do(
                "find-vanished", self.find_vanished, task, after, retries=COURTEOUS
            )
            if page.vanished:
                removed = await step.do(
                    "remove", self.remove, task, page.vanished, retries=COURTEOUS
                )
                outcomes = replace(outcomes, pruned=outcomes.pruned + removed)
            if page.next is None:
                return outcomes
            after = page.next

    async def _index_of(self, task: Reindex) -> VectorIndex:
        return (await self._target(task)).index

    async def _target(self, task: Reindex) -> Target:
        try:
            return await self.env.targets.find(task.into)
        except UnknownCollection as error:
            raise NonRetryableError(str(error)) from error

    def _source(self, task: Reindex) -> Source:
        if task.file is None:
            return GithubSource(self.env.github, task.repo)
        documents_max = DOCUMENTS_PER_BATCH_MAX
        if task.rate:  # about one batch a second
            documents_max = max(1, min(documents_max, round(task.rate)))
        return FileSource(self.env.blobs, task.file, task.as_of, documents_max)


def _not_shared(error: BlobUnreadable) -> NonRetryableError:
    return NonRetryableError(
        f"{error}; blobs.dir has to be the same folder for the workers and for who started this"
    )
