"""A re-index is started over HTTP, by documents that are sent or by the name of a repository."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.blobs import BlobRef
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.folding import FoldedJournal
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.reindexes import ReindexApi
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.operator.reindexing import Reindexes, view_of
from stepwell.streams.views import InstanceDetails
from tests.gateway.journal import MemoryJournal

PATH = "/api/v1/reindexes"
LINES = {"Content-Type": "application/jsonl"}
UPLOAD_BYTES_MAX = 1000


@dataclass
class Gateway:
    """A running gateway over a journal in memory, and a client for it."""

    url: str
    session: aiohttp.ClientSession
    journal: MemoryJournal
    blobs: MemoryBlobStore

    async def post(self, query: str = "", **options: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post(f"{self.url}{PATH}{query}", **options) as answer:
            return answer.status, await answer.json(content_type=None)

    async def params(self, instance_id: str) -> dict[str, Any]:
        """What the instance was started with."""
        (details,) = self.journal.ledger().details("reindex", instance_id)
        assert details.lane == "bulk"
        return details.params

    async def content(self, instance_id: str) -> bytes:
        """The documents that it was started with."""
        return await self.blobs.get(BlobRef(**(await self.params(instance_id))["file"]))


@asynccontextmanager
async def running(token: str | None = None) -> AsyncIterator[Gateway]:
    journal, blobs = MemoryJournal(), MemoryBlobStore()
    clock, ids = count(1_000), count(1)
    control = Control(
        journal,
        FoldedJournal(journal.follow),
        clock=lambda: next(clock),
        new_id=lambda: f"id-{next(ids)}",
    )

    async def describe(workflow: str, instance_id: str) -> InstanceDetails | None:
        return next(journal.ledger().details(workflow, instance_id), None)

    api = ReindexApi(
        Reindexes(control, describe, blobs).start, Guard(token), max_upload_bytes=UPLOAD_BYTES_MAX
    )
    app = web.Application(middlewares=[problems], client_max_size=100)
    app.add_routes(api.routes())
    runner = make_runner(app, shutdown_timeout_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield Gateway(f"http://127.0.0.1:{runner.addresses[0][1]}", session, journal, blobs)
    finally:
        await runner.cleanup()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as started:
        yield started


async def test_a_repository_is_named(gateway: Gateway):
    body = {"source": "github:acme/site", "id": "one", "rate": 5, "prune": True, "into": "Fresh"}
    status, started = await gateway.post(json=body)
    assert (status, started["instance_id"], started["existed"]) == (201, "one", False)
    params = await gateway.params("one")
    assert (params["repo"], params["rate"], params["prune"]) == ("acme/site", 5.0, True)
    assert params["into"] == "Fresh"


async def test_documents_are_sent_and_kept_as_they_came(gateway: Gateway):
    sent = b'{"id": "a", "title": "A"}\nno document\n\n{"id": "b"'
    status, started = await gateway.post("?source=handbook&rate=2.5", data=sent, headers=LINES)
    assert (status, started["source"], started["documents"]) == (201, "handbook", 4)
    assert await gateway.content(started["instance_id"]) == sent
    assert (await gateway.params(started["instance_id"]))["rate"] == 2.5


async def test_the_same_again_under_an_id_is_the_same_reindex(gateway: Gateway):
    for status, existed in ((201, False), (200, True)):
        found, started = await gateway.post("?id=one", data=b"{}\n", headers=LINES)
        assert (found, started["existed"]) == (status, existed)


@pytest.mark.parametrize("change", [("?id=one", b"[]\n"), ("?id=one&prune=true", b"{}\n")])
async def test_something_else_under_a_taken_id_is_a_conflict(
    gateway: Gateway, change: tuple[str, bytes]
):
    await gateway.post("?id=one", data=b"{}\n", headers=LINES)
    status, problem = await gateway.post(change[0], data=change[1], headers=LINES)
    assert (status, problem["code"]) == (409, "instance.already_exists")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"source": "/etc/passwd"}, "is not github:owner/name"),
        ({"source": "docs.jsonl"}, "is not github:owner/name"),
        ({"source": "github:acme"}, "is not github:owner/name"),
        ({"source": "github:../.."}, "is not github:owner/name"),
        ({}, "source: is required"),
        ({"source": "github:a/b", "rate": 0}, "rate: should be greater than 0"),
        ({"source": "github:a/b", "into": "lower"}, "into: "),
        ({"source": "github:a/b", "path": "x"}, "path: "),
    ],
)
async def test_what_cannot_be_asked_is_named(gateway: Gateway, body: dict[str, Any], detail: str):
    status, problem = await gateway.post(json=body)
    assert (status, problem["code"]) == (422, "instance.invalid_request")
    assert detail in problem["detail"]


async def test_an_id_that_nothing_can_have_is_refused(gateway: Gateway):
    status, problem = await gateway.post(json={"source": "github:a/b", "id": "a b"})
    assert (status, problem["code"]) == (422, "instance.invalid_id")


async def test_an_upload_has_a_size(gateway: Gateway):
    status, problem = await gateway.post(data=b"x" * (UPLOAD_BYTES_MAX + 1), headers=LINES)
    assert (status, problem["code"]) == (413, "request.size")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_other_media_are_refused(gateway: Gateway, media_type: str):
    status, _ = await gateway.post(data=b"{}", headers={"Content-Type": media_type})
    assert status == 415


async def test_an_encoded_body_is_refused(gateway: Gateway):
    headers = LINES | {"Content-Encoding": "gzip"}
    assert (await gateway.post(data=b"x", headers=headers))[0] == 415


async def test_with_a_token_nobody_else_may_ask():
    async with running("a long random token") as gateway:
        assert (await gateway.post(json={"source": "github:a/b"}))[0] == 401


async def test_an_instance_with_other_parameters_has_no_view(gateway: Gateway):
    await gateway.post("?id=one", data=b"", headers=LINES)
    (details,) = gateway.journal.ledger().details("reindex", "one")
    with pytest.raises(InvalidRequest, match="no re-index: source: is required"):
        view_of(replace(details, params={}))


async def test_a_new_reindex_has_a_view(gateway: Gateway):
    await gateway.post("?id=one", data=b"{}\n{}\n", headers=LINES)
    (details,) = gateway.journal.ledger().details("reindex", "one")
    view = view_of(details)
    assert (view.status, view.documents, view.done) == ("running", 2, 0)
