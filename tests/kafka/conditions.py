"""Waiting for something to become true, with a limit."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 30.0
POLL_S = 0.02


async def eventually(check: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
    """The first true answer of `check`, which may be a coroutine function; fails at the limit."""
    answer: Any = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                answer = check()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {what} (last: {answer!r})") from None
