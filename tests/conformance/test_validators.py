"""W: names, ids and settings that are refused, and those that are taken."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

import pytest

from stepwell.schemas.parts import Retention
from stepwell.streams import Retries
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.names import check_instance_id, check_step_name, check_workflow_name
from stepwell.streams.engine.retry import step_options
from stepwell.streams.errors import InvalidInstanceId
from stepwell.streams.gateway.requests import check_address, check_new_id

BAD = ["", " ", "   ", "\nname", "na me", "na!me", "na#me", "-name", "näme", None, 7, b"name"]


@pytest.mark.parametrize("name", [*BAD, "x" * 65])
def test_W1_workflow_names_refused(name: Any) -> None:
    with pytest.raises(InvalidDefinition):
        check_workflow_name(name)


@pytest.mark.parametrize("name", ["a", "7", "_a", "my-workflow_2", "x" * 64])
def test_W2_workflow_names_accepted(name: str) -> None:
    assert check_workflow_name(name) == name


@pytest.mark.parametrize("instance", [*BAD, "x" * 101])
def test_W3_instance_ids_refused(instance: Any) -> None:
    with pytest.raises(InvalidDefinition):
        check_instance_id(instance)


@pytest.mark.parametrize("instance", ["a", "1f2e-3", "_x", "x" * 100])
def test_W4_instance_ids_accepted(instance: str) -> None:
    assert check_instance_id(instance) == check_new_id(instance) == instance


@pytest.mark.parametrize("address", ["", "what?", "no!", "x" * 272])
def test_W5_addressable_ids_refused(address: str) -> None:
    with pytest.raises(InvalidInstanceId):
        check_address(address)


@pytest.mark.parametrize("address", ["a", "x" * 100])
def test_W6_addressable_ids_accepted(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("name", ["a\x00b", "tab\t", "line\n", "x" * 257, "", None])
def test_W7_step_names_refused(name: Any) -> None:
    with pytest.raises(InvalidDefinition):
        check_step_name(name)


@pytest.mark.parametrize("name", ["with spaces", "ünïcode ✓", "x" * 256])
def test_W8_step_names_accepted(name: str) -> None:
    assert check_step_name(name) == name


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retries(limit=3, delay=None),
        lambda: Retries(limit=None),  # type: ignore[arg-type]
        lambda: Retries(limit=-1),
        lambda: Retries(limit=10_001),
        lambda: Retries(delay="5 bananas"),
        lambda: Retries(delay=[1]),  # type: ignore[arg-type]
        lambda: Retries(backoff="cubic"),
        lambda: Retries(colour="blue"),  # type: ignore[call-arg]
        lambda: step_options(None, 0),
        lambda: step_options(None, "soon"),
        lambda: step_options({"backoff": "linear"}, None),  # type: ignore[arg-type]
        lambda: step_options(None, None, sensitive="input"),  # type: ignore[arg-type]
    ],
)
def test_W9_configs_refused(make: Any) -> None:
    with pytest.raises((InvalidDefinition, TypeError)):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: step_options(Retries(limit=0, delay=0), None),
        lambda: step_options(Retries(limit=10_000, delay="1 day", backoff="linear"), "1 hour"),
        lambda: step_options(None, None, sensitive=True),
        lambda: Retention(0, 0),
    ],
)
def test_W10_configs_accepted(make: Any) -> None:
    assert make()


def test_W11_a_function_as_delay_is_accepted() -> None:
    assert callable(Retries(limit=2, delay=lambda _context, _error: 1).delay)
