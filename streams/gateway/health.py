"""How the deployment is, at a glance: looked at in the background, so that nobody has to wait.

`GET /api/v1/health` is the same for programs. Whether this gateway takes webhooks is another
question, which `/health/ready` answers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

import structlog
from aiohttp import web

from stepwell.streams.errors import StepwellError
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.routing import Answer, Doc, Route, Routes, json_answer

log = structlog.get_logger(__name__)

FRESH_MS = 5_000
TIMEOUT_MS = 2_500


class HealthState(StrEnum):
    """How something is."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Nobody has looked yet."""


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One thing that was looked at."""

    name: str
    state: HealthState
    value: str
    """In a word or two."""
    detail: str = ""
    """What to know or to do when it is not well."""
    at_ms: int | None = None
    """The time that it is about, if it is about one."""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class HealthView:
    """All parts; `checked_ms` is when the oldest was looked at, None: not all were."""

    checked_ms: int | None
    parts: tuple[HealthPart, ...]

    @property
    def state(self) -> HealthState:
        """The worst of them."""
        order = (HealthState.BAD, HealthState.WARN, HealthState.UNKNOWN)
        states = {part.state for part in self.parts}
        return next((it for it in order if it in states), HealthState.GOOD)


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at some things at once; raises `StepwellError` when they cannot be looked at."""

    names: tuple[str, ...]
    """The parts that come of it; when it fails, the first one is bad and nobody knows the rest."""
    ask: Callable[[], Awaitable[tuple[HealthPart, ...]]]
    fresh_ms: int = FRESH_MS
    timeout_ms: int = TIMEOUT_MS


class HealthBoard:
    """What was seen last. It is looked again when somebody asks and it was a while ago."""

    def __init__(
        self,
        looks: tuple[Look, ...],
        *,
        wait_ms: int = TIMEOUT_MS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._looks = looks
        self._wait_ms = wait_ms
        self._clock = clock
        self._parts: dict[str, HealthPart] = {}
        self._looked_ms: dict[Look, int] = {}
        self._looking: dict[Look, asyncio.Task[None]] = {}

    def current(self) -> HealthView:
        """What is known now; what is old is looked at meanwhile."""
        now = self._now()
        for look in self._looks:
            if look not in self._looking and now - self._looked_ms.get(look, 0) >= look.fresh_ms:
                looking = self._looking[look] = asyncio.create_task(self._look(look))
                looking.add_done_callback(_tell_of_bugs)
        unknown = {
            name: HealthPart(name, HealthState.UNKNOWN, "…")
            for look in self._looks
            for name in look.names
        }
        is_whole = len(self._looked_ms) == len(self._looks)
        checked = min(self._looked_ms.values()) if self._looks and is_whole else None
        return HealthView(checked, tuple((unknown | self._parts).values()))

    async def fresh(self) -> HealthView:
        """The same, when the looks under way have ended; those that take long are not awaited."""
        self.current()
        if self._looking:
            await asyncio.wait(self._looking.values(), timeout=2 * self._wait_ms / 1000)
        return self.current()

    async def close(self) -> None:
        """End the looks."""
        for task in self._looking.values():
            task.cancel()
        await asyncio.gather(*self._looking.values(), return_exceptions=True)

    async def _look(self, look: Look) -> None:
        parts = _failed(look, "it could not be looked at: see the log of the gateway")
        try:
            async with asyncio.timeout(look.timeout_ms / 1000):
                parts = await look.ask()
        except TimeoutError:
            parts = _failed(look, f"no answer within {look.timeout_ms} ms")
        except StepwellError as error:
            parts = _failed(look, str(error))
        finally:
            self._looking.pop(look, None)
            self._parts.update({part.name: part for part in parts})
            self._looked_ms[look] = self._now()

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _tell_of_bugs(looking: asyncio.Task[None]) -> None:
    if not looking.cancelled() and looking.exception() is not None:
        log.error("health was not looked at", exc_info=looking.exception())


def _failed(look: Look, why: str) -> tuple[HealthPart, ...]:
    first, *others = look.names
    return (
        HealthPart(first, HealthState.BAD, "unreachable", why),
        *(HealthPart(name, HealthState.UNKNOWN, "unknown", why) for name in others),
    )


class HealthApi:
    """The route."""

    def __init__(self, board: HealthBoard, guard: Guard) -> None:
        self._board = board
        self._routes = Routes(guard)

    def routes(self) -> list[Route]:
        """To be added to an application."""
        doc = Doc(
            name="getHealth",
            tag="operations",
            gives={HTTPStatus.OK: Answer(HealthAnswer)},
        )
        return [self._routes.read("/api/v1/health", self.health, doc)]

    async def health(self, _: web.Request) -> web.Response:
        """How broker, workers, index and instances are, as seen in the last seconds."""
        view = await self._board.fresh()
        return json_answer(HTTPStatus.OK, HealthAnswer(view.state, view.checked_ms, view.parts))


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """How the deployment is: the worst part, and all of them."""

    state: HealthState
    checked_ms: int | None
    parts: tuple[HealthPart, ...]
