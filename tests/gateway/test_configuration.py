"""A gateway that would be unsafe or useless does not start."""

import asyncio
import socket

import pytest
import structlog

from stepwell.streams.errors import BrokerUnavailable, ConfigurationError
from stepwell.streams.gateway.server import GatewayConfig, run_gateway
from stepwell.streams.gateway.sources import SourcesConfig
from stepwell.streams.settings import SignedSourceSettings

NOBODY = "127.0.0.1:1"
SECRET = "It's a Secret to Everybody"
SHOP = SignedSourceSettings("X-Shop-Signature", id="header:X-Shop-Id", type="shop.order")


async def refusal(error=ConfigurationError, **settings):
    given = {"bootstrap": NOBODY} | settings
    with pytest.raises(error) as caught:
        await run_gateway(GatewayConfig(**given), asyncio.Event())
    return str(caught.value)


async def test_with_a_secret_that_is_no_secret():
    assert "empty" in await refusal(sources=SourcesConfig(github_secrets=("",)))
    assert "whsec_" in await refusal(sources=SourcesConfig(standard_secrets=("changeme",)))


async def test_with_a_signed_source_that_has_no_secret():
    message = await refusal(sources=SourcesConfig(signed_sources={"shop": SHOP}))
    assert "gateway.signed_sources.shop" in message
    assert "STEPWELL_GATEWAY_SIGNED_SECRETS=shop:" in message


@pytest.mark.parametrize("secret", ["other:" + SECRET, SECRET, "shop:"])
async def test_with_a_signed_secret_of_nobody(secret):
    config = SourcesConfig(signed_sources={"shop": SHOP}, signed_secrets=(secret,))
    message = await refusal(sources=config)
    assert "gateway.signed_secrets" in message
    assert SECRET not in message


@pytest.mark.usefixtures("logs_shown")
async def test_without_any_secret_it_needs_only_a_broker_and_says_what_it_takes():
    with structlog.testing.capture_logs() as lines:
        await refusal(BrokerUnavailable)
    assert lines[0]["event"] == "no webhook source is configured: only POST /events is taken"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gateway.acme.example"])
async def test_open_to_other_machines_without_a_token(host):
    message = await refusal(host=host)
    assert host in message
    assert "gateway.token" in message


async def test_with_an_empty_token():
    assert "gateway.token" in await refusal(host="0.0.0.0", token="")


@pytest.mark.parametrize(("token", "read_token"), [("a", ""), ("a", "a"), (None, "b"), (None, "")])
async def test_with_a_token_for_readers_that_would_let_in_others_or_nobody(token, read_token):
    message = await refusal(token=token, read_token=read_token)
    assert "gateway.read_token" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_loopback_needs_no_token_but_a_broker(host):
    message = await refusal(BrokerUnavailable, host=host)
    assert NOBODY in message


async def test_open_to_other_machines_with_a_token_needs_only_a_broker():
    await refusal(BrokerUnavailable, host="0.0.0.0", token="a long random token")


def test_secrets_are_not_shown():
    shown = repr(
        GatewayConfig(
            bootstrap=NOBODY,
            sources=SourcesConfig(
                github_secrets=(SECRET,), standard_secrets=("whsec_x",), signed_secrets=("a:hush",)
            ),
            token="tok",
            read_token="rea",
        )
    )
    assert SECRET not in shown
    assert "whsec" not in shown
    assert "hush" not in shown
    assert "tok'" not in shown
    assert "rea'" not in shown


@pytest.mark.kafka
async def test_a_port_in_use_is_named(kafka_bootstrap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in await refusal(bootstrap=kafka_bootstrap, port=port)
