"""`Http`: calls of services, with limits, and errors that say whether to try again.

Only the internet is called, over HTTPS, unless `private` says otherwise (`network.py`). Redirects
are followed within a host. Messages name the host only: addresses of webhooks are secrets.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import (
    BindingError,
    RefusedByService,
    ServiceUnavailable,
    WrongAnswer,
)
from stepwell.streams.bindings.network import AddressRefused, check_url, make_socket

ANSWER_BYTES_MAX = 16 * 1024 * 1024
TIMEOUT_MS = 60_000
REDIRECTS_MAX = 5
DETAIL_LENGTH_MAX = 200
COME_AGAIN = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


@dataclass(frozen=True, slots=True)
class Page:
    """What was found at an address."""

    url: str
    media_type: str
    content: bytes
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Json:
        """The content as JSON; raises `WrongAnswer`."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise WrongAnswer(host(self.url), f"the answer is no JSON: {error}") from error


class Http:
    """One pool of connections: `async with Http() as http`."""

    def __init__(
        self,
        *,
        timeout_ms: int = TIMEOUT_MS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        private: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`private`: services inside the network and plain HTTP too; mind who names addresses."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)
        self._answer_bytes_max = answer_bytes_max
        self._private = private
        self._now_s = now_s

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(socket_factory=make_socket(private=self._private))
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Page:
        """What is at this address; raises `ServiceUnavailable`, `RefusedByService`."""
        page = await self.exchange("GET", url, headers=headers)
        for _ in range(REDIRECTS_MAX):
            if page.status not in REDIRECTS:
                break
            page = await self.exchange("GET", _next_url(page), headers=headers)
        return self._accepted(page)

    async def post(self, url: str, body: Json, headers: Mapping[str, str] | None = None) -> Page:
        """The answer to JSON; raises `ServiceUnavailable`, `RefusedByService`."""
        return self._accepted(await self.exchange("POST", url, body, headers))

    async def exchange(
        self, method: str, url: str, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> Page:
        """The answer, whatever its status; redirects are not followed.

        Raises `ServiceUnavailable` when there is none, `RefusedByService` for where not to call.
        """
        check_url(url, private=self._private)
        try:
            async with self._session.request(
                method, url, json=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await self._read(url, answer)
        except aiohttp.InvalidURL as error:
            raise RefusedByService(host(url), "this is no address") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressRefused):
                raise RefusedByService(host(url), str(error.os_error)) from error
            raise _unanswered(url, error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unanswered(url, error) from error
        return Page(url, answer.content_type, content, answer.status, answer.headers)

    def _accepted(self, page: Page) -> Page:
        if page.status >= HTTPStatus.BAD_REQUEST:
            raise failure(page, self._now_s())
        if page.status in REDIRECTS:
            raise RefusedByService(host(page.url), f"{page.status} redirects: not followed")
        return page

    async def _read(self, url: str, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in answer.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > self._answer_bytes_max:
                raise RefusedByService(
                    host(url), f"the answer has more than {self._answer_bytes_max} bytes"
                )
        return bytes(content)


def failure(page: Page, now_s: float) -> BindingError:
    """The error for an answer of status 400 or above."""
    service = host(page.url)
    detail = f"{page.status} {page.text()[:DETAIL_LENGTH_MAX]}".strip()
    if page.status >= HTTPStatus.INTERNAL_SERVER_ERROR or page.status in COME_AGAIN:
        return ServiceUnavailable(service, detail, retry_after_ms=retry_after_ms(page, now_s))
    return RefusedByService(service, detail)


def retry_after_ms(page: Page, now_s: float) -> int | None:
    """How long the service wants to be left alone; None when it does not say."""
    text = page.headers.get("Retry-After", "")
    if text.isdecimal():
        return int(text[:9]) * 1000
    try:
        until_s = parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
    return max(0, round((until_s - now_s) * 1000))


def host(url: str) -> str:
    """The part of an address that may be shown."""
    try:
        return URL(url).host or "no host"
    except ValueError:
        return "no address"


def _unanswered(url: str, error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(host(url), f"no answer ({type(error).__name__})")


def _next_url(page: Page) -> str:
    """Where a redirect leads; raises `RefusedByService` when that is another host or scheme."""
    here = URL(page.url)
    try:
        there = here.join(URL(page.headers.get("Location", "")))
    except ValueError:
        raise RefusedByService(host(page.url), f"{page.status} redirects to no address") from None
    if there.origin() != here.origin():
        raise RefusedByService(
            host(page.url), f"{page.status} redirects elsewhere ({there.host}): not followed"
        )
    return str(there)
