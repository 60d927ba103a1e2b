"""A reader of settings that sees only what a test gives it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads settings from a TOML text, environment variables and flags; none by default."""

    def run(
        toml: str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> Settings:
        if toml is not None:
            (tmp_path / "stepwell.toml").write_text(toml, "utf-8")
        return load_settings(flags=flags or {}, environ=environ or {}, directory=tmp_path)

    return run


@pytest.fixture
def refusal(load: Load) -> Callable[..., str]:
    """The message of the error that the given settings end in."""

    def run(**given: object) -> str:
        with pytest.raises(ConfigurationError) as caught:
            load(**given)
        assert caught.value.exit_code == 2
        return str(caught.value)

    return run
