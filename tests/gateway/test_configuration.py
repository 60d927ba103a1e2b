"""A gateway that would be unsafe or useless does not start."""

import asyncio
import socket

import pytest

from stepwell.streams.errors import BrokerUnavailable, ConfigurationError
from stepwell.streams.gateway.server import GatewayConfig, run_gateway

NOBODY = "127.0.0.1:1"
SECRET = "It's a Secret to Everybody"


async def refusal(error=ConfigurationError, **settings):
    given = {"bootstrap": NOBODY, "github_secrets": (SECRET,)} | settings
    with pytest.raises(error) as caught:
        await run_gateway(GatewayConfig(**given), asyncio.Event())
    return str(caught.value)


async def test_without_any_secret():
    assert "gateway.github_secrets" in await refusal(github_secrets=())


async def test_with_a_secret_that_is_no_secret():
    assert "empty" in await refusal(github_secrets=("",))
    assert "whsec_" in await refusal(standard_secrets=("changeme",))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gateway.acme.example"])
async def test_open_to_other_machines_without_a_token(host):
    message = await refusal(host=host)
    assert host in message
    assert "gateway.token" in message


async def test_with_an_empty_token():
    assert "gateway.token" in await refusal(host="0.0.0.0", token="")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_loopback_needs_no_token_but_a_broker(host):
    message = await refusal(BrokerUnavailable, host=host)
    assert NOBODY in message


async def test_open_to_other_machines_with_a_token_needs_only_a_broker():
    await refusal(BrokerUnavailable, host="0.0.0.0", token="a long random token")


def test_secrets_are_not_shown():
    shown = repr(
        GatewayConfig(
            bootstrap=NOBODY, github_secrets=(SECRET,), standard_secrets=("whsec_x",), token="tok"
        )
    )
    assert SECRET not in shown
    assert "whsec" not in shown
    assert "tok'" not in shown


@pytest.mark.kafka
async def test_a_port_in_use_is_named(kafka_bootstrap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in await refusal(bootstrap=kafka_bootstrap, port=port)
