"""What a batch of a re-index does with its documents, and how they ended."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stepwell.models.errors import BadVector, TextRefused
from stepwell.schemas.documents import Document, Embedded, Vector
from stepwell.streams.index.errors import RetryableIndexError
from stepwell.streams.index.targets import Target
from stepwell.streams.ports import WriteStatus
from stepwell.streams.workflows.reindex_sources import Failure

OBJECTS_PER_CALL = 50
"""A live write waits for one such call at most."""
FAILURES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many documents ended in which way, and the first of those that failed."""

    stored: int = 0
    stale: int = 0
    """A newer version was there."""
    skipped: int = 0
    """There was no text to embed."""
    failed: int = 0
    unread: int = 0
    """Of those that failed: lines that are no documents."""
    pruned: int = 0
    failures: tuple[Failure, ...] = ()
    note: str = ""
    """Why nothing was pruned, although it was asked for."""

    @property
    def documents(self) -> int:
        """How many were read."""
        return self.stored + self.stale + self.skipped + self.failed

    @classmethod
    def of_failures(cls, failures: Sequence[Failure], *, unread: bool = True) -> "Outcomes":
        """Of lines that are no documents, or of documents that could not be indexed."""
        kept, count = tuple(failures[:FAILURES_KEPT]), len(failures)
        return cls(failed=count, unread=count if unread else 0, failures=kept)

    @classmethod
    def total(cls, parts: "Iterable[Outcomes]") -> "Outcomes":
        """All together."""
        every = list(parts)
        failures = [failure for one in every for failure in one.failures]
        return cls(
            stored=sum(one.stored for one in every),
            stale=sum(one.stale for one in every),
            skipped=sum(one.skipped for one in every),
            failed=sum(one.failed for one in every),
            unread=sum(one.unread for one in every),
            pruned=sum(one.pruned for one in every),
            failures=tuple(failures[:FAILURES_KEPT]),
        )


async def index_documents(target: Target, documents: Sequence[Document]) -> Outcomes:
    """Embed the documents together and store them; raises what may pass when tried again."""
    wanted = [document for document in documents if document.text()]
    texts = (target.embedder.embed_bulk(document.text()) for document in wanted)
    embedded: list[Embedded] = []
    failures: list[Failure] = []
    for document, vector in zip(
        wanted, await asyncio.gather(*texts, return_exceptions=True), strict=True
    ):
        if isinstance(vector, BadVector | TextRefused):
            failures.append(Failure(document.key, str(vector)))
        elif isinstance(vector, BaseException):
            raise vector
        else:
            embedded.append(_embedded(document, vector, target))
    statuses: Counter[WriteStatus] = Counter()
    for start in range(0, len(embedded), OBJECTS_PER_CALL):
        statuses += await _store(target, embedded[start : start + OBJECTS_PER_CALL], failures)
    counted = Outcomes(
        stored=statuses[WriteStatus.STORED],
        stale=statuses[WriteStatus.STALE],
        skipped=len(documents) - len(wanted),
    )
    return Outcomes.total((counted, Outcomes.of_failures(failures, unread=False)))


async def _store(
    target: Target, embedded: Sequence[Embedded], failures: list[Failure]
) -> Counter[WriteStatus]:
    outcomes = await target.index.upsert(embedded)
    for one, outcome in zip(embedded, outcomes, strict=True):
        if outcome.status is WriteStatus.RETRY:
            raise RetryableIndexError(one.document.key, outcome.detail)
        if outcome.status is WriteStatus.REFUSED:
            failures.append(Failure(one.document.key, outcome.detail))
    return Counter(outcome.status for outcome in outcomes)


def _embedded(document: Document, vector: Vector, target: Target) -> Embedded:
    return Embedded(document, vector, target.collection.model_id)
