"""How GitHub is called: with a token, conditionally, never while it says to wait."""

import pytest

from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable, WrongAnswer
from stepwell.streams.content import github_api
from stepwell.streams.content.github_api import NotFound

PATH = "/repos/acme/site/issues/42"


async def test_it_is_asked_with_token_and_version(api, github):
    github.says(PATH, {"number": 42})
    assert (await api.get(PATH)).json == {"number": 42}
    ((_, headers),) = github.calls
    assert headers["Authorization"] == "Bearer ghp_a-secret-token"
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["X-GitHub-Api-Version"]
    assert "If-None-Match" not in headers


async def test_what_has_not_changed_is_not_sent_again(api, github):
    github.says(PATH, {"title": "old"}, ETag='"1"')
    first = await api.get(PATH)
    assert await api.get(PATH) == first
    assert github.calls[1][1]["If-None-Match"] == '"1"'
    github.says(PATH, {"title": "new"}, ETag='"2"')
    assert (await api.get(PATH)).json == {"title": "new"}


@pytest.fixture
def small_cache(monkeypatch):
    monkeypatch.setattr(github_api, "CACHE_BYTES_MAX", 30)


async def test_the_cache_is_bounded(small_cache, api, github):
    for number in range(4):
        github.says(f"/{number}", "x" * 10, ETag=f'"{number}"')
        await api.get(f"/{number}")
    for number in range(4):
        await api.get(f"/{number}")
    conditional = [path for path, headers in github.calls[4:] if "If-None-Match" in headers]
    assert conditional == []  # each was forgotten when it was asked for: two fit
    await api.get("/3")
    assert "If-None-Match" in github.calls[-1][1]


@pytest.mark.parametrize("status", [404, 410, 301, 307])
async def test_what_is_gone_is_not_found_and_nobody_is_followed(api, github, status):
    github.says(PATH, status=status, Location=f"{github.url}/elsewhere")
    with pytest.raises(NotFound, match=f"{status} nothing at {PATH}") as caught:
        await api.get(PATH)
    assert caught.value.is_hidden == (status == 404)
    assert github.paths == [PATH]


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait_s"),
    [
        (429, {"Retry_After": "17"}, None, 17),
        (403, {"Retry_After": "17", "X_RateLimit_Remaining": "0"}, None, 17),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1800000090"}, None, 90),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1900000000"}, None, 7200),
        (403, {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "soon"}, None, 60),
        (403, {}, {"message": "You have exceeded a secondary rate limit"}, 60),
        (429, {}, None, 60),
    ],
    ids=["retry-after", "both", "reset", "wrong-clock", "no-number", "secondary", "nothing"],
)
async def test_a_limit_says_when_to_come_again(api, github, status, headers, body, wait_s):
    github.says(PATH, body, status, **headers)
    with pytest.raises(ServiceUnavailable, match=f"go on in {wait_s} s") as caught:
        await api.get(PATH)
    assert caught.value.retry_after_ms == wait_s * 1000


async def test_nobody_calls_before_the_limit_is_over(api, github):
    github.says(PATH, status=429, Retry_After="10")
    github.says("/other", {"fine": True})
    for path in (PATH, "/other", "/other"):
        with pytest.raises(ServiceUnavailable):
            await api.get(path)
    assert github.paths == [PATH]
    github.now_s += 10
    assert (await api.get("/other")).json == {"fine": True}


async def test_the_last_call_before_a_limit_is_answered(api, github):
    headers = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1800000005"}
    github.says(PATH, {"number": 42}, **headers)
    assert (await api.get(PATH)).json == {"number": 42}
    with pytest.raises(ServiceUnavailable, match="rate limit"):
        await api.get(PATH)
    assert len(github.calls) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_in_trouble_is_asked_again(api, github, status):
    github.says(PATH, status=status)
    with pytest.raises(ServiceUnavailable, match=str(status)) as caught:
        await api.get(PATH)
    assert caught.value.retry_after_ms is None


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_is_named_and_not_shown(api, github, status):
    github.says(PATH, {"message": "Bad credentials"}, status)
    with pytest.raises(RefusedByService, match=r"content\.github_token") as caught:
        await api.get(PATH)
    assert not isinstance(caught.value, NotFound)
    assert "ghp_" not in str(caught.value)


async def test_pages_follow_one_another(api, github):
    link = f'<{github.url}/repositories/7/issues?page=3>; rel="next", <{github.url}/>; rel="last"'
    github.says("/repos/acme/site/issues?page=2", [], Link=link)
    answer = await api.get("/repos/acme/site/issues?page=2")
    assert answer.next_path == "/repositories/7/issues?page=3"
    github.says("/last", [], Link=f'<{github.url}/>; rel="first"')
    assert (await api.get("/last")).next_path is None


async def test_a_next_page_on_another_host_is_refused(api, github):
    github.says("/list", [], Link='<https://evil.example/next>; rel="next"')
    with pytest.raises(WrongAnswer, match=r"elsewhere \(evil.example\)"):
        await api.get("/list")
