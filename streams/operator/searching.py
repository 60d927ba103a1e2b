"""Searches for many who ask: one index and one model, opened by the first and kept open.

A process that searches needs neither to start: who asks before they are there is told what to do.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, TypeVar

import structlog

from stepwell.models.errors import ModelError
from stepwell.schemas.documents import Hit, SearchFilters
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.collections import open_targets
from stepwell.streams.errors import (
    BrokerUnavailable,
    IndexUnavailable,
    ReadModelUnavailable,
    StepwellError,
)
from stepwell.streams.gateway.searching import (
    FoundDocument,
    QueryRefused,
    SearchAnswer,
    SearchUnavailable,
    SimilarAnswer,
    shortened,
)
from stepwell.streams.index.errors import ModelMissing
from stepwell.streams.index.searching import search as search_in
from stepwell.streams.index.searching import similar as similar_in
from stepwell.streams.index.targets import Targets
from stepwell.streams.ports import SearchMode
from stepwell.streams.settings import Settings

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT_MS = 8_000
"""The first search loads the model, which may take longer: it is there for those who ask again."""
RUNNING_MAX = 32
"""Searches at a time: as people type, many are begun, and most are no longer wanted."""
PRODUCERS_TIMEOUT_MS = 300
"""A search that waits for Kafka would be of little use."""
CLOSE_TIMEOUT_S = 10.0

PRODUCERS = ("embed-content", "embed-document")
"""The workflows that store a document for an event about it."""

T = TypeVar("T")
Producers = Callable[[Collection[str]], Awaitable[dict[str, InstanceKey]]]
"""The instances that brought these documents, by key, as far as they are known."""


class ProducerReader(Protocol):
    """Knows instances; `readmodel.reader.ModelReader` is the real one."""

    async def about(
        self, subjects: Iterable[str], workflows: Iterable[str]
    ) -> dict[str, InstanceKey]:
        """The newest instance of these workflows that completed, by what it was about."""
        ...


class SearchTargets(Protocol):
    """Gives the collections of an index, opened when they are first wanted."""

    async def get(self) -> Targets:
        """The collections."""
        ...

    async def close(self) -> None:
        """Close what was opened."""
        ...


class Searching:
    """Obeys `gateway.searching.Search`. Open it with `open_search`."""

    def __init__(
        self,
        targets: SearchTargets,
        producers: Producers,
        *,
        timeout_ms: int = ANSWER_TIMEOUT_MS,
        running_max: int = RUNNING_MAX,
    ) -> None:
        self._targets = targets
        self._producers = producers
        self._timeout_ms = timeout_ms
        self._running_max = running_max
        self._running: set[asyncio.Task[None]] = set()

    async def search(
        self, text: str, mode: SearchMode, *, limit: int, filters: SearchFilters
    ) -> SearchAnswer:
        """The documents that answer best."""

        async def ask(targets: Targets) -> list[Hit]:
            return await search_in(targets, text, mode, limit=limit, filters=filters)

        return SearchAnswer(text, mode, await self._linked(await self._ask(ask)))

    async def similar(
        self, key: str, *, limit: int, filters: SearchFilters
    ) -> SimilarAnswer | None:
        """Those like this document."""
        answer = await self._ask(
            lambda targets: similar_in(targets, key, limit=limit, filters=filters)
        )
        if answer is None:
            return None
        document, hits = answer
        return SimilarAnswer(shortened(document), len(document.body), await self._linked(hits))

    async def close(self) -> None:
        """Let what runs end, and close index and model."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_TIMEOUT_S)
        await self._targets.close()

    # --- inside -------------------------------------------------------------------------------

    async def _ask(self, question: Callable[[Targets], Awaitable[T]]) -> T:
        """The answer; who gave up waiting leaves the work to whoever asks next."""
        if len(self._running) >= self._running_max:
            raise SearchUnavailable("search.busy", "Too many searches at once: ask again.")
        answers: list[T] = []

        async def answer() -> None:
            answers.append(await self._answer(question))

        answering = asyncio.create_task(answer())
        self._running.add(answering)
        answering.add_done_callback(self._ended)
        done, _ = await asyncio.wait({answering}, timeout=self._timeout_ms / 1000)
        if not done:
            detail = (
                f"No answer within {self._timeout_ms} ms: the model is still being loaded, or the "
                "index is slow. Ask again."
            )
            raise SearchUnavailable("search.timeout", detail)
        answering.result()
        return answers[0]

    async def _answer(self, question: Callable[[Targets], Awaitable[T]]) -> T:
        try:
            return await question(await self._targets.get())
        except ValueError as error:  # the contract of `Embedder.embed_query`
            raise QueryRefused(f"q: {error}") from error
        except ModelMissing as error:
            raise SearchUnavailable("search.model_missing", str(error), passing=False) from error
        except IndexUnavailable as error:
            raise SearchUnavailable("search.index_unavailable", str(error)) from error
        except (StepwellError, ModelError) as error:
            log.warning("search failed", why=str(error))
            raise SearchUnavailable("search.unusable", str(error), passing=False) from error

    def _ended(self, answering: "asyncio.Task[None]") -> None:
        self._running.discard(answering)
        if not answering.cancelled():
            answering.exception()  # nobody may be waiting for it any more

    async def _linked(self, hits: list[Hit]) -> tuple[FoundDocument, ...]:
        producers: dict[str, InstanceKey] = {}
        try:
            async with asyncio.timeout(PRODUCERS_TIMEOUT_MS / 1000):
                producers = await self._producers([hit.document.key for hit in hits])
        except (TimeoutError, BrokerUnavailable, ReadModelUnavailable) as error:
            log.debug("hits without their instances", why=str(error))
        return tuple(FoundDocument.of(hit, producers) for hit in hits)


class LazyTargets:
    """The collections of the index, opened by whoever asks first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._targets: Targets | None = None

    async def get(self) -> Targets:
        """The collections; raises `ConfigurationError`, every time, for a URL of no index."""
        async with self._opening:
            if self._targets is None:
                opening = open_targets(self._settings)
                self._targets = await self._opened.enter_async_context(opening)
            return self._targets

    async def close(self) -> None:
        """Close them, and the models that were loaded."""
        await self._opened.aclose()


def producers_in(reader: ProducerReader, workflows: Sequence[str]) -> Producers:
    """By what the events were about: the key of a document, or what follows its type in it."""

    async def find(keys: Collection[str]) -> dict[str, InstanceKey]:
        by_rest = Counter(_rest(key) for key in keys)
        meant = {_rest(key): key for key in keys if by_rest[_rest(key)] == 1}
        meant |= {key: key for key in keys}
        found = await reader.about(meant, workflows)
        named = {key: found[key] for key in keys if key in found}
        return {meant[subject]: it for subject, it in found.items()} | named

    return find


def _rest(key: str) -> str:
    return key.partition(":")[2]


@asynccontextmanager
async def open_search(settings: Settings, reader: ProducerReader) -> AsyncIterator[Searching]:
    """Searches in the index that the settings name; instances are known to the reader."""
    searching = Searching(LazyTargets(settings), producers_in(reader, PRODUCERS))
    try:
        yield searching
    finally:
        await searching.close()
