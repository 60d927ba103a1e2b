"""The examples on real services, as a worker carries them.

Set `worker.workflows` to `stepwell.streams.examples.online:gallery`, and in the environment:

    EXAMPLES_DATA          a folder for the database and the blobs
    EXAMPLES_CHAT_URL      an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1
    EXAMPLES_CHAT_MODELS   models to ask there: the first for everything, all race for the report
    EXAMPLES_CHAT_KEY      the key, if one is wanted
    EXAMPLES_WEBHOOK_URL   where messages are posted, such as an incoming webhook of Slack

An example whose services are not named there is left out.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from stepwell.streams import app
from stepwell.streams.bindings.chat import ChatModel
from stepwell.streams.bindings.database import Database, SqliteDatabase
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.notifier import Notifier, WebhookNotifier
from stepwell.streams.bindings.sources import HttpSource, Source
from stepwell.streams.blobs import BlobStore, DirectoryBlobStore
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.examples import (
    approval,
    brief_analysis,
    data_pipeline,
    image_pipeline,
    invention_analysis,
    publish_pun,
    scheduled_report,
    user_lifecycle,
)
from stepwell.streams.examples.embed_content import Bindings, EmbedContent
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import Settings

LITERATURE = {
    "arxiv": "https://export.arxiv.org/api/query?max_results=20&search_query=all:{}",
    "crossref": "https://api.crossref.org/works?rows=20&query={}",
}
TABLES = "".join(
    module.TABLES
    for module in (data_pipeline, image_pipeline, publish_pun, scheduled_report, user_lifecycle)
)


@dataclass(frozen=True, slots=True)
class Services:
    """What there is to bind examples to."""

    source: Source
    database: Database
    blobs: BlobStore
    chats: Mapping[str, ChatModel]
    notifier: Notifier | None


@asynccontextmanager
async def gallery(settings: Settings) -> AsyncIterator[Workflows]:
    """Every example whose services there are."""
    data = Path(os.environ.get("EXAMPLES_DATA", "examples-data"))
    database = open_database(data)
    try:
        async with (
            Http() as http,
            Http(private=True) as named_here,
            app.embed_content(settings) as workflows,
        ):
            services = Services(
                HttpSource(http),
                database,
                DirectoryBlobStore(data / "blobs"),
                chats_of(named_here, os.environ),
                notifier_of(named_here, os.environ),
            )
            first = workflows.create(EmbedContent.name)
            assert first is not None
            for workflow, env in bound(first.env, services):
                workflows.add(workflow, env)
            yield workflows
    finally:
        database.close()


def open_database(data: Path) -> SqliteDatabase:
    """The database in this folder, with the tables of all examples."""
    data.mkdir(parents=True, exist_ok=True)
    return SqliteDatabase(data / "examples.db", TABLES)


def chats_of(http: Http, environ: Mapping[str, str]) -> dict[str, ChatModel]:
    """The models that the environment names."""
    url, models = environ.get("EXAMPLES_CHAT_URL"), environ.get("EXAMPLES_CHAT_MODELS", "")
    names = [name.strip() for name in models.split(",") if name.strip()]
    key = environ.get("EXAMPLES_CHAT_KEY", "")
    return {name: ChatModel(http, url, name, key) for name in names} if url else {}


def notifier_of(http: Http, environ: Mapping[str, str]) -> Notifier | None:
    """The webhook that the environment names."""
    url = environ.get("EXAMPLES_WEBHOOK_URL")
    return WebhookNotifier(http, url) if url else None


def bound(content: Bindings, services: Services) -> Iterator[tuple[type[Workflow], object]]:
    """The examples that these services are enough for, beside `embed-content` with its bindings."""
    it, embedder, index = services, content.embedder, content.index
    chat = next(iter(it.chats.values()), None)
    yield data_pipeline.DataPipeline, data_pipeline.Bindings(it.source, it.database)
    if it.notifier:
        yield approval.Approval, approval.Bindings(it.notifier)
        lifecycle = user_lifecycle.Bindings(it.database, it.notifier)
        yield user_lifecycle.UserLifecycle, lifecycle
    if chat:
        puns = publish_pun.Bindings(it.database, embedder, index, chat, chat)
        yield publish_pun.PublishPun, puns
        yield brief_analysis.BriefAnalysis, brief_analysis.Bindings(it.source, chat)
        images = image_pipeline.Bindings(it.source, it.blobs, chat, it.database)
        yield image_pipeline.ImagePipeline, images
        inventions = invention_analysis.Bindings(chat, it.source, LITERATURE, it.notifier)
        yield invention_analysis.InventionAnalysis, inventions
    if chat and it.notifier:
        reports = scheduled_report.Bindings(it.database, it.chats, it.notifier)
        yield scheduled_report.ScheduledReport, reports
        yield scheduled_report.CountSales, reports
