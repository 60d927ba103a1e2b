"""The workflows of a worker that is told of no others, with what they need."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from stepwell.streams.collections import Loads, open_targets
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.examples.embed_content import Bindings, EmbedContent, embed_documents
from stepwell.streams.fetching import mappings_of, open_github_api, source_of
from stepwell.streams.index.batched import BatchedIndex
from stepwell.streams.index.everywhere import EveryCollection
from stepwell.streams.index.targets import Targets
from stepwell.streams.metrics import Metrics
from stepwell.streams.ports import Embedder
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import Settings
from stepwell.streams.spans import ModelRuns, Tracing
from stepwell.streams.wiring import blob_store
from stepwell.streams.workflows import reindex

log = structlog.get_logger(__name__)


@asynccontextmanager
async def embed_content(settings: Settings) -> AsyncIterator[Workflows]:
    """Embed what happens on GitHub and at configured producers, and re-index all of it."""
    loads = Loads()
    async with AsyncExitStack() as opened:
        targets = await opened.enter_async_context(open_targets(settings, loads))
        embedder = await _embedder(settings, targets)
        github = await opened.enter_async_context(open_github_api(settings))
        everywhere = EveryCollection(targets)
        batched = BatchedIndex(everywhere)
        opened.push_async_callback(batched.close)

        def measure(metrics: Metrics) -> None:
            loads.watch(metrics.embedding.watch)
            batched.measure(metrics.index)

        def trace(tracing: Tracing) -> None:
            loads.watch(lambda embedder: embedder.observe(ModelRuns(tracing)))
            batched.trace(tracing)

        stored_under = everywhere.stored_under if settings.content.comments else None
        bindings = Bindings(embedder, batched, source_of(settings, github), stored_under)
        reindexing = reindex.Bindings(blob_store(settings), targets, github)
        workflows = Workflows(
            [(EmbedContent, bindings), (reindex.ReindexDocuments, reindexing)],
            measure=measure,
            trace=trace,
        )
        if mappings := mappings_of(settings):
            workflows.add(embed_documents(mappings), bindings)
        yield workflows


async def _embedder(settings: Settings, targets: Targets) -> Embedder:
    """The model of the current collection, for as long as the worker runs.

    When searches change over to another collection meanwhile, its vectors are made as they are
    written (`everywhere.py`), and with this one no more after the next start.
    """
    try:
        current = await targets.find()
        await current.index.open()
    except IndexUnavailable as error:  # the steps try again until it is back
        log.warning("index unavailable", detail=str(error))
        return await targets.embedder(settings.model.id)
    collection = current.collection
    if collection.model != settings.model.id:
        log.warning(
            "the index uses another model than model.id: see stepwell index list",
            used=collection.model,
            collection=collection.name,
        )
    return current.embedder
