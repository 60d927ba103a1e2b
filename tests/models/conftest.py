"""Small models made on the spot, the shared data where present, and the real model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepwell.models import find_preset, model_directory, pull
from tests.models.tiny import export, write_source

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """Writes a directory as published on the hub: random weights, config, tokenizer."""

    def make(name: str = "published", **changes: Any) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        write_source(directory, **changes)
        return directory

    return make


@pytest.fixture
def tiny_model(make_source: MakeSource, tmp_path: Path) -> Path:
    """A model directory of ours, made from a tiny BERT."""
    return export(make_source(), tmp_path / "model")


@pytest.fixture
def export_tiny() -> Callable[[Path, Path], Path]:
    return export


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data that lies beside the checkout on development machines."""
    directory = Path(__file__).parents[3] / "shared" / "data"
    if not directory.is_dir():
        pytest.skip("no shared data beside this checkout")
    return directory


@pytest.fixture(scope="session")
def real_model() -> Path:
    """all-MiniLM-L6-v2 in the usual cache, pulled on first use."""
    preset = find_preset("all-MiniLM-L6-v2")
    return pull(preset, model_directory(preset.name))
