"""Waiting for the first or for all of several coroutines, in an order that replays."""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RaceResult(Generic[T]):
    """Which contestant was first, counted from 0, and what it returned."""

    winner: int
    value: T


async def first_of(contestants: Sequence[Awaitable[T]]) -> RaceResult[T]:
    """The first that ends; the others are cancelled and have ended. Its error is raised here.

    `asyncio.wait` would hand out sets, whose order is not that of the contestants.
    """
    if not contestants:
        raise ValueError("a race needs at least one contestant")
    tasks = [asyncio.ensure_future(contestant) for contestant in contestants]
    first: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def ended(position: int) -> None:
        if not first.done():
            first.set_result(position)

    for position, task in enumerate(tasks):
        task.add_done_callback(lambda _task, position=position: ended(position))  # type: ignore[misc]
    try:
        winner = await first
    finally:
        await _cancel(tasks)
    return RaceResult(winner, tasks[winner].result())


async def all_of(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them return, in their order; the first error cancels the others and is raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.gather(*left, return_exceptions=True)
