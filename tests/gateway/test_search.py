"""Search over HTTP: hits and their instances, filters, refusals, an index that is away."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from stepwell.schemas.documents import SearchFilters
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.search_api import SearchApi
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.index.errors import UnknownDocument
from stepwell.streams.operator.queries import similar
from stepwell.streams.operator.searching import Searching, open_search, producers_in
from stepwell.streams.ports import SearchMode
from stepwell.streams.settings import IndexSettings, ModelSettings, Settings
from tests.gateway.searched import (
    PRODUCER,
    FileTargets,
    NoInstances,
    no_journal,
    producers,
    searching_in,
)

SEARCH = "/api/v1/search"


@asynccontextmanager
async def served(search, token=None):
    app = web.Application(middlewares=[problems])
    app.add_routes(SearchApi(search, Guard(token)).routes())
    runner = make_runner(app, shutdown_timeout_s=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:

            async def get(path, headers=None, **params):
                async with session.get(path, params=params, headers=headers) as answer:
                    return answer.status, await answer.json(content_type=None)

            yield get
    finally:
        await runner.cleanup()


@pytest.fixture
async def get(tmp_path):
    async with searching_in(tmp_path) as search, served(search) as client:
        yield client


def titles(answer):
    return [hit["document"]["title"] for hit in answer["hits"]]


async def test_a_search_gives_the_best_documents_first_with_score_and_model(get):
    status, answer = await get(SEARCH, q="login fails on firefox")
    assert status == 200
    assert (answer["query"], answer["mode"]) == ("login fails on firefox", "semantic")
    assert titles(answer)[:2] == ["Login fails on Firefox", "Login fails on Safari"]
    first = answer["hits"][0]
    assert first["score"] == pytest.approx(1.0, abs=1e-5)
    assert first["model"] == "words"
    assert first["document"]["labels"] == ["bug"]


async def test_a_hit_names_the_instance_that_brought_it_if_it_is_known(get):
    _, answer = await get(SEARCH, q="login", mode="keyword")
    instances = {hit["document"]["number"]: hit["instance"] for hit in answer["hits"]}
    known = {"workflow": PRODUCER.workflow, "instance_id": PRODUCER.instance}
    assert instances == {1: known, 2: None}


async def test_a_search_needs_no_journal(tmp_path):
    async with searching_in(tmp_path, producers=no_journal) as search, served(search) as get:
        status, answer = await get(SEARCH, q="login", mode="keyword")
    assert (status, len(answer["hits"])) == (200, 2)
    assert {hit["instance"] for hit in answer["hits"]} == {None}


@pytest.mark.parametrize("mode", list(SearchMode))
async def test_every_mode_is_answered(get, mode):
    status, answer = await get(SEARCH, q="dark theme", mode=mode)
    assert (status, answer["mode"], titles(answer)[0]) == (200, mode, "Dark theme")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "closed"}, {2}),
        ({"repo": "acme/app"}, {3}),
        ({"type": "issue", "repo": "acme/site"}, {1, 2}),
        ({"label": "ui"}, {1}),
        ({"type": "", "repo": "", "state": "", "label": ""}, {1, 2, 3, 4}),
        ({"state": "' OR 1=1 --"}, set()),
    ],
)
async def test_filters_are_exact_and_an_empty_one_is_none(get, filters, expected):
    _, answer = await get(SEARCH, q="login", **filters)
    assert {hit["document"]["number"] for hit in answer["hits"]} == expected


async def test_several_labels_mean_any_of_them(get):
    status, answer = await get(f"{SEARCH}?q=login&label=ui&label=%3Cb%3E")
    assert status == 200
    assert {hit["document"]["number"] for hit in answer["hits"]} == {1, 4}


async def test_of_a_long_body_only_the_beginning_is_shown(get):
    _, answer = await get(SEARCH, q="dark theme", limit="1")
    (hit,) = answer["hits"]
    assert hit["body_length"] == 5000
    assert len(hit["document"]["body"]) == 1000


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "q:"),
        ({"q": " \t"}, "q:"),
        ({"q": "x" * 1001}, "q:"),
        ({"q": "x", "mode": "magic"}, "mode:"),
        ({"q": "x", "limit": "0"}, "limit:"),
        ({"q": "x", "limit": "101"}, "limit:"),
        ({"q": "x", "limit": "-1"}, "limit:"),
        ({"q": "x", "limit": "1" * 5000}, "limit:"),
        ({"q": "x", "limit": "٣"}, "limit:"),
        ({"q": "x", "repo": "x" * 301}, "repo:"),
        ({"q": "x", "colour": "red"}, "colour:"),
    ],
)
async def test_a_query_that_nobody_can_answer_is_refused_by_name(get, params, named):
    status, problem = await get(SEARCH, **params)
    assert (status, problem["code"]) == (422, "search.invalid_query")
    assert problem["detail"].startswith(named)


async def test_a_parameter_twice_and_too_many_labels_are_refused(get):
    status, problem = await get(f"{SEARCH}?q=a&q=b")
    assert (status, problem["detail"]) == (422, "q: is there twice")
    labels = "".join(f"&label={number}" for number in range(21))
    status, problem = await get(f"{SEARCH}?q=a{labels}")
    assert (status, problem["detail"]) == (422, "label: at most 20 of them")


@pytest.mark.parametrize("text", ["'", '" OR *', "\x00", "日本語 🦫", "NEAR(a b)", "%00%ff"])
@pytest.mark.parametrize("mode", list(SearchMode))
async def test_any_text_may_be_searched_for(get, text, mode):
    status, _ = await get(SEARCH, q=f"login {text}", mode=mode)
    assert status == 200


async def test_similar_documents_are_others_nearest_first(get):
    key = quote("github:acme/site#1", safe="")
    status, answer = await get(f"/api/v1/documents/{key}/similar", limit="2")
    assert status == 200
    assert answer["document"]["title"] == "Login fails on Safari"
    assert titles(answer)[0] == "Login fails on Firefox"
    assert len(answer["hits"]) == 2


async def test_similar_documents_pass_filters_too(get):
    key = quote("github:acme/site#1", safe="/:")
    _, answer = await get(f"/api/v1/documents/{key}/similar", repo="acme/app")
    assert titles(answer) == ["Dark theme"]


async def test_a_document_that_is_not_in_the_index_has_none(get):
    status, problem = await get("/api/v1/documents/github:acme%2Fsite%2399/similar")
    assert (status, problem["code"]) == (404, "search.no_document")


async def test_similar_takes_no_query(get):
    status, problem = await get("/api/v1/documents/x/similar", q="login")
    assert (status, problem["detail"]) == (422, "q: there is no such parameter")


async def test_with_a_token_it_is_needed(tmp_path):
    async with searching_in(tmp_path) as search, served(search, token="secret") as get:
        assert (await get(SEARCH, q="login"))[0] == 401
        headers = {"Authorization": "Bearer secret"}
        assert (await get(SEARCH, headers=headers, q="login"))[0] == 200


async def test_without_a_model_and_an_index_the_gateway_says_what_to_do(tmp_path):
    settings = Settings(
        index=IndexSettings(url=f"sqlite://{tmp_path}/index.db"),
        model=ModelSettings(dir=tmp_path / "no-model"),
    )
    async with open_search(settings, NoInstances()) as search, served(search) as get:
        for _ in range(2):
            status, problem = await get(SEARCH, q="login")
            assert (status, problem["code"]) == (503, "search.model_missing")
            assert "stepwell model pull" in problem["detail"]


async def test_an_index_url_of_nothing_is_said_by_the_search_not_at_the_start(tmp_path):
    settings = Settings(index=IndexSettings(url="nowhere://x"))
    async with open_search(settings, NoInstances()) as search, served(search) as get:
        status, problem = await get(SEARCH, q="login")
    assert (status, problem["code"]) == (503, "search.unusable")
    assert "names no index" in problem["detail"]


class AwayTargets(FileTargets):
    """An index that does not answer until it is told to."""

    def __init__(self, folder):
        super().__init__(folder)
        self.back = asyncio.Event()
        self.error = None

    async def get(self):
        if self.error:
            raise self.error
        await self.back.wait()
        return await super().get()


async def test_an_index_that_is_away_is_said_and_asked_again_later(tmp_path):
    async with searching_in(tmp_path):
        pass
    targets = AwayTargets(tmp_path)
    targets.error = IndexUnavailable("index weaviate://x did not answer within 10 s")
    search = Searching(targets, producers)
    async with served(search) as get:
        status, problem = await get(SEARCH, q="login")
        assert (status, problem["code"]) == (503, "search.index_unavailable")
        targets.error = None
        targets.back.set()
        assert (await get(SEARCH, q="login"))[0] == 200
    await search.close()


async def test_who_waits_too_long_is_told_and_the_work_is_kept(tmp_path):
    async with searching_in(tmp_path):
        pass
    targets = AwayTargets(tmp_path)
    search = Searching(targets, producers, timeout_ms=1, running_max=1)
    async with served(search) as get:
        assert (await get(SEARCH, q="login"))[1]["code"] == "search.timeout"
        assert (await get(SEARCH, q="login"))[1]["code"] == "search.busy"
        targets.back.set()
        await search.close()
    assert search._running == set()


class Reader:
    """What instances were about: by subject."""

    def __init__(self, known):
        self.known = known

    async def about(self, subjects, workflows):
        assert workflows == ["embed-content"]
        return {it: self.known[it] for it in subjects if it in self.known}


async def test_instances_are_known_by_the_key_of_the_document_or_what_follows_its_type():
    mine, other = PRODUCER, replace(PRODUCER, instance="delivery-2")
    find = producers_in(Reader({"github:a/b#1": mine, "n-1": other}), ["embed-content"])
    assert await find(["github:a/b#1", "note:n-1"]) == {"github:a/b#1": mine, "note:n-1": other}
    assert await find(["page:n-1", "note:n-1"]) == {}  # nobody can tell which of them


@pytest.fixture
async def filled(tmp_path):
    """Settings of an index that holds documents, on a machine without their model."""
    async with searching_in(tmp_path):
        pass
    return Settings(
        index=IndexSettings(url=f"sqlite://{tmp_path}/index.db", collection="Documents"),
        model=ModelSettings(dir=tmp_path / "no-model"),
    )


async def test_without_the_model_words_are_found_and_so_is_what_is_like_a_document(filled):
    async with open_search(filled, NoInstances()) as search, served(search) as get:
        status, answer = await get(SEARCH, q="firefox", mode="keyword")
        assert (status, titles(answer)) == (200, ["Login fails on Firefox"])
        status, answer = await get("/api/v1/documents/github:acme%2Fsite%231/similar")
        assert (status, titles(answer)[0]) == (200, "Login fails on Firefox")
        assert (await get(SEARCH, q="firefox"))[1]["code"] == "search.model_missing"


async def test_the_command_line_finds_the_same_like_a_document(filled):
    hits = await similar(filled, "github:acme/site#1", SearchFilters(state="closed"), 5)
    assert [hit.document.number for hit in hits] == [2]
    with pytest.raises(UnknownDocument, match="github:acme/site#99"):
        await similar(filled, "github:acme/site#99", SearchFilters(), 5)
