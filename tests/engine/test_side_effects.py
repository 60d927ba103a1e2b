"""A side effect outside a step is caught at the first run, and the error says what to do."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.engine.scenario import Scenario


async def sleep() -> None:
    await asyncio.sleep(1)


async def limit_by_time() -> None:
    async with asyncio.timeout(1):
        await asyncio.sleep(0)


async def wait_for() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 1)


async def connect() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def start_thread() -> None:
    await asyncio.to_thread(print, "hello")


async def resolve() -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def read_socket() -> None:
    with socket.socket() as plain:
        await asyncio.get_running_loop().sock_recv(plain, 1)


async def start_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def read_the_clock() -> None:
    asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("reach_out", "advice"),
    [
        (sleep, "step.sleep()"),
        (limit_by_time, "step.sleep()"),
        (wait_for, "step.sleep()"),
        (read_the_clock, "step.sleep()"),
        (connect, "step.do(name, function, ...)"),
        (start_thread, "step.do(name, function, ...)"),
        (resolve, "step.do(name, function, ...)"),
        (read_socket, "step.do(name, function, ...)"),
        (start_process, "step.do(name, function, ...)"),
    ],
)
async def test_reaching_outside_is_refused_by_name(
    reach_out: Callable[[], Awaitable[None]], advice: str
) -> None:
    async def run(_event, _step):
        await reach_out()

    error = Scenario(run).error
    assert error.name == "SideEffectOutsideStep"
    assert advice in error.message


async def test_giving_way_to_other_tasks_is_allowed() -> None:
    async def run(_event, _step):
        await asyncio.sleep(0)
        return "went on"

    assert Scenario(run).output == "went on"


async def test_the_outer_loop_and_task_are_back_after_a_drain() -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    async def run(_event, _step):
        assert asyncio.get_running_loop() is not loop
        return asyncio.current_task() is not task

    assert Scenario(run).output is True
    assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)


def test_a_drain_needs_no_loop_around_it() -> None:
    async def run(_event, _step):
        return "done"

    assert Scenario(run).output == "done"
