"""GitHub's REST API, called as GitHub asks: conditionally, a few at a time, never while limited."""

import asyncio
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable, WrongAnswer
from stepwell.streams.bindings.http import REDIRECTS, Http, Page, failure, host, retry_after_ms

CALLS_AT_ONCE = 4
CACHE_BYTES_MAX = 64 * 1024 * 1024
LIMITED_MS = 60_000
"""How long to wait when GitHub says to wait, but not how long."""
LIMITED_MS_MAX = 2 * 60 * 60_000
"""GitHub's limits last an hour: beyond that one of the clocks is wrong."""
SPREAD_MS = 30_000
"""Those who wait for a limit come again within so long of each other."""
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE}) | REDIRECTS
_LIMITS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_NEXT = re.compile(r'<([^<>]+)>;[^,]*\brel="next"')


class NotFound(RefusedByService):
    """There is nothing, or what was there is gone."""

    def __init__(self, service: str, path: str, status: int) -> None:
        super().__init__(service, f"{status} nothing at {path}")
        self.is_hidden = status == HTTPStatus.NOT_FOUND
        """Whether it may still be there, for others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, and the path of the page behind it, if there is one."""

    json: Json
    next_path: str | None


class GithubApi:
    """The API at `base_url`; all calls of a process share one, so that they share its limits."""

    def __init__(
        self,
        http: Http,
        base_url: str,
        token: str | None = None,
        *,
        now_s: Callable[[], float] = time.time,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._now_s = now_s
        self._spread = spread
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "stepwell",
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)
        self._limited_until_s = 0.0
        self._cache = _Cache(CACHE_BYTES_MAX)

    @property
    def host(self) -> str:
        """Which host it is, for messages."""
        return host(self._base_url)

    async def get(self, path: str) -> Answer:
        """What is at a path.

        Raises `NotFound` (redirects too: what was transferred is not here any more),
        `ServiceUnavailable` with when to come again, and `RefusedByService`.
        """
        async with self._turns:
            self._check_limit()
            known = self._cache.find(path)
            conditional = {"If-None-Match": known.headers["ETag"]} if known else {}
            page = await self._http.exchange(
                "GET", f"{self._base_url}{path}", headers=self._headers | conditional
            )
            self._note_limit(page)
        if page.status == HTTPStatus.NOT_MODIFIED and known:
            page = known
        elif page.status == HTTPStatus.OK:
            self._cache.put(path, page)
        else:
            raise self._refusal(path, page)
        return Answer(page.json(), self._next_path(page))

    def _check_limit(self) -> None:
        wait_ms = round((self._limited_until_s - self._now_s()) * 1000)
        if wait_ms > 0:
            raise self._limited(wait_ms)

    def _note_limit(self, page: Page) -> None:
        """Remember until when not to call."""
        now_s = self._now_s()
        headers = page.headers
        wait_ms = None
        if page.status in _LIMITS:
            wait_ms = retry_after_ms(page, now_s)
        if wait_ms is None and headers.get("X-RateLimit-Remaining") == "0":
            reset = headers.get("X-RateLimit-Reset", "")
            wait_ms = round((int(reset[:12]) - now_s) * 1000) if reset.isdecimal() else LIMITED_MS
        if wait_ms is None and _is_limited(page):
            wait_ms = LIMITED_MS
        if wait_ms is not None:
            until_s = now_s + min(wait_ms, LIMITED_MS_MAX) / 1000
            self._limited_until_s = max(self._limited_until_s, until_s)

    def _refusal(self, path: str, page: Page) -> Exception:
        if page.status in _GONE:
            return NotFound(self.host, path.partition("?")[0], page.status)
        wait_ms = round((self._limited_until_s - self._now_s()) * 1000)
        if page.status in _LIMITS and wait_ms > 0:
            return self._limited(wait_ms)
        if page.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return RefusedByService(self.host, f"{page.status}: look at content.github_token")
        return failure(page, self._now_s())

    def _limited(self, wait_ms: int) -> ServiceUnavailable:
        return ServiceUnavailable(
            self.host,
            f"the rate limit is reached, calls go on in {-(-wait_ms // 1000)} s",
            retry_after_ms=wait_ms + round(self._spread(0, SPREAD_MS)),
        )

    def _next_path(self, page: Page) -> str | None:
        found = _NEXT.search(page.headers.get("Link", ""))
        if found is None:
            return None
        if not found[1].startswith(f"{self._base_url}/"):
            raise WrongAnswer(self.host, f"the next page is elsewhere ({host(found[1])})")
        return found[1].removeprefix(self._base_url)


def _is_limited(page: Page) -> bool:
    """Secondary limits are told by words when they are not by headers."""
    if page.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return page.status == HTTPStatus.FORBIDDEN and "rate limit" in page.text().lower()


class _Cache:
    """The newest answers that carry an ETag, up to so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._pages: OrderedDict[str, Page] = OrderedDict()

    def find(self, path: str) -> Page | None:
        """What was answered before."""
        if path in self._pages:
            self._pages.move_to_end(path)
        return self._pages.get(path)

    def put(self, path: str, page: Page) -> None:
        """Keep an answer, forget the oldest."""
        self._forget(path)
        if "ETag" not in page.headers:
            return
        self._pages[path] = page
        self._bytes += len(page.content)
        while self._bytes > self._bytes_max:
            self._forget(next(iter(self._pages)))

    def _forget(self, path: str) -> None:
        if gone := self._pages.pop(path, None):
            self._bytes -= len(gone.content)
