"""What puns are like a text, for those who read or type one: bounded in time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from stepwell.models.errors import ModelError
from stepwell.streams.errors import StepwellError
from stepwell.streams.examples.publish_pun import CATEGORIES_MAX, nearest
from stepwell.streams.index.targets import Target

log = structlog.get_logger(__name__)

TIMEOUT_S = 4.0
COUNT_MAX = 5
CATEGORY_SCORE_MIN = 0.2


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A published pun, and how near it is: 1 is the same."""

    id: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Around:
    """What is near a text; None: it cannot be told now."""

    puns: tuple[Neighbour, ...] | None
    categories: tuple[str, ...] = ()


UNKNOWN = Around(None)


class Neighbours:
    """Looks into the index in which the workflow puts puns."""

    def __init__(
        self, target: Callable[[], Awaitable[Target]], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._target = target
        self._timeout_s = timeout_s

    async def around(self, text: str, *, apart_from: int | None = None) -> Around:
        """The puns and categories near a text."""
        if not text.strip():
            return Around(())
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._look(text, apart_from)
        except (TimeoutError, ValueError, StepwellError, ModelError) as error:
            log.warning("no neighbours", why=str(error))
            return UNKNOWN

    async def _look(self, text: str, apart_from: int | None) -> Around:
        target = await self._target()
        vector = await target.embedder.embed_query(text)
        near = await nearest(vector, target.index, "pun", COUNT_MAX + 1)
        names = await nearest(vector, target.index, "pun-category", CATEGORIES_MAX)
        puns = (
            Neighbour(hit.document.number, hit.document.body, hit.score)
            for hit in near
            if hit.document.number != apart_from and hit.score > 0
        )
        likely = (hit.document.body for hit in names if hit.score >= CATEGORY_SCORE_MIN)
        return Around(tuple(puns)[:COUNT_MAX], tuple(likely))
