"""Drafts become instances of `publish-pun`: at once, and again until the gateway has taken them."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable
from stepwell.streams.bindings.http import Http
from stepwell.streams.errors import StepwellError
from stepwell.streams.examples.pun_site.book import PunBook

log = structlog.get_logger(__name__)

AGAIN_S = 2.0
DRAFTS_MAX = 10_000

Start = Callable[[int], Awaitable[None]]
"""Starts the workflow of a pun. That it runs already is fine; otherwise raises `StepwellError`."""


def instance_of(number: int) -> str:
    """The instance that publishes a pun: there is one, however often it is asked for."""
    return f"pun-{number}"


def start_through(http: Http, gateway_url: str, token: str | None) -> Start:
    """By the API of a gateway."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{gateway_url}/api/v1/workflows/publish-pun/instances"

    async def start(number: int) -> None:
        body: Json = {"id": instance_of(number), "params": {"pun_id": number}}
        page = await http.exchange("POST", url, body, headers)
        if page.status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
            return
        failure = ServiceUnavailable if page.status >= 500 else RefusedByService
        raise failure("gateway", f"it answered {page.status}: {page.text()[:200]}")

    return start


class HandingOver:
    """Hands every draft over once, and one whose turn failed again."""

    def __init__(self, book: PunBook, start: Start) -> None:
        self._book = book
        self._start = start
        self._handed: set[int] = set()
        self._more = asyncio.Event()

    def look(self) -> None:
        """There is a new draft."""
        self._more.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._more.clear()
            if await self.hand_over():
                await self._more.wait()
            else:
                await asyncio.sleep(AGAIN_S)

    async def hand_over(self) -> bool:
        """Start the workflow of each draft; whether all were taken."""
        drafts = await self._book.drafts(DRAFTS_MAX)
        self._handed &= set(drafts)
        waiting = [number for number in drafts if number not in self._handed]
        for number in waiting:
            try:
                await self._start(number)
            except RefusedByService as error:  # this pun; perhaps not the next
                log.warning("a pun is refused by the gateway", pun=number, why=str(error))
            except StepwellError as error:
                log.warning("puns wait for the gateway", why=str(error))
                break
            else:
                self._handed.add(number)
        return self._handed.issuperset(drafts)
