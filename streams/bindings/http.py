"""`Http`: calls of services, with limits, and errors that say whether to try again.

Messages name the host only: addresses of webhooks are secrets.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable, WrongAnswer

ANSWER_BYTES_MAX = 16 * 1024 * 1024
TIMEOUT_MS = 60_000
DETAIL_LENGTH_MAX = 200
COME_AGAIN = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True, slots=True)
class Page:
    """What was found at an address."""

    url: str
    media_type: str
    content: bytes

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
        self, *, timeout_ms: int = TIMEOUT_MS, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)
        self._answer_bytes_max = answer_bytes_max

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
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
        return await self._call("GET", url, None, headers)

    async def post(self, url: str, body: Json, headers: Mapping[str, str] | None = None) -> Page:
        """The answer to JSON; raises `ServiceUnavailable`, `RefusedByService`."""
        return await self._call("POST", url, body, headers)

    async def _call(
        self, method: str, url: str, body: Json, headers: Mapping[str, str] | None
    ) -> Page:
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                page = Page(url, answer.content_type, await self._read(url, answer))
        except aiohttp.InvalidURL as error:
            raise RefusedByService(host(url), "this is no address") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnavailable(host(url), f"no answer ({type(error).__name__})") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            come_again = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            come_again = come_again or answer.status in COME_AGAIN
            failure = ServiceUnavailable if come_again else RefusedByService
            raise failure(host(url), f"{answer.status} {page.text()[:DETAIL_LENGTH_MAX]}".strip())
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


def host(url: str) -> str:
    """The part of an address that may be shown."""
    try:
        return URL(url).host or "no host"
    except ValueError:
        return "no address"
