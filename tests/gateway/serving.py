"""Runs the whole gateway, as its process does, until a test is done with it."""

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp

from stepwell.streams.gateway.server import run_gateway


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def running(config):
    stop = asyncio.Event()
    server = asyncio.create_task(run_gateway(config, stop))
    try:
        async with asyncio.timeout(30):
            while not await ready(config):
                assert not server.done(), server.exception()
        yield f"http://127.0.0.1:{config.port}"
    finally:
        stop.set()
        await server


async def ready(config):
    url = f"http://127.0.0.1:{config.port}/readyz"
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
