"""Traces are off unless a collector is named, and then cost nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.settings import Settings, TracingSettings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.spans import NO_TRACING
from stepwell.streams.tracing import Service, make_provider
from stepwell.streams.wiring import open_tracing
from tests.tracing.conftest import Traced

COLLECTOR = "http://127.0.0.1:4318"


async def test_nothing_is_traced_unless_a_collector_is_named() -> None:
    async with open_tracing(Settings(), "worker") as tracing:
        assert tracing is NO_TRACING


def test_a_collector_is_a_setting_like_any_other(tmp_path: Path) -> None:
    environ = {"STEPWELL_TRACING_ENDPOINT": f"{COLLECTOR}/"}
    settings = load_settings(flags={}, environ=environ, directory=tmp_path)
    assert settings.tracing.endpoint == COLLECTOR


async def test_without_the_extra_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "stepwell.streams.tracing", None)
    settings = Settings(tracing=TracingSettings(COLLECTOR))
    with pytest.raises(ConfigurationError, match=r"pip install 'stepwell\[otel\]'"):
        async with open_tracing(settings, "worker"):
            pass


def test_the_standard_variables_say_more_about_the_service(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "search")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    provider = make_provider(Service("stepwell-worker", "one"), traced.processor)
    attributes = provider.resource.attributes
    assert attributes["service.name"] == "search"
    assert attributes["service.instance.id"] == "one"
    assert attributes["deployment.environment"] == "test"
    assert provider.sampler.get_description() == "AlwaysOffSampler"


@pytest.mark.slow
def test_a_process_that_traces_nothing_does_not_load_opentelemetry() -> None:
    look = (
        "import sys, stepwell.streams.app; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
