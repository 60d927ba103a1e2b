"""A worker's small HTTP server: ready only when it is, metrics behind a token if there is one."""

import socket

import aiohttp
import pytest
from pydantic import SecretStr

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.probes import serving_probes
from stepwell.streams.metrics import Metrics
from stepwell.streams.settings import MetricsSettings


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def status(port: int, path: str, **headers: str) -> int:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status


async def test_a_worker_is_ready_when_its_partitions_are(port: int) -> None:
    ready = False
    settings = MetricsSettings(port=port)
    async with serving_probes(settings, Metrics("test"), lambda: ready):
        assert await status(port, "/healthz") == 200
        assert await status(port, "/readyz") == 503
        ready = True
        assert await status(port, "/readyz") == 200
        assert await status(port, "/metrics") == 200
        assert await status(port, "/elsewhere") == 404


async def test_with_a_token_metrics_need_it_and_probes_do_not(port: int) -> None:
    settings = MetricsSettings(port=port, token=SecretStr("let-me-in"))
    async with serving_probes(settings, Metrics("test"), lambda: True):
        assert await status(port, "/metrics") == 401
        assert await status(port, "/metrics", Authorization="Bearer let-me-in") == 200
        assert await status(port, "/readyz") == 200


async def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(port: int) -> None:
    settings = MetricsSettings(port=port)
    async with serving_probes(settings, Metrics("test"), lambda: True):
        with pytest.raises(ConfigurationError, match="every worker on a machine needs its own"):
            async with serving_probes(settings, Metrics("test"), lambda: True):
                pass
