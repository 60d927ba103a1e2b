"""Sample webhooks: our own, and the real ones where the shared data is at hand."""

import json
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"
ROOT = Path(__file__).resolve().parents[2]
SHARED = [folder / "shared" / "data" / "github-webhooks" for folder in (ROOT, ROOT.parent)]


def webhooks():
    """Every sample as (event name, payload), by its file's name."""
    files = sorted(path for folder in (SAMPLES, *SHARED) for path in folder.glob("*.json"))
    return {
        f"{path.parent.name}/{path.stem}": (
            path.name.partition(".")[0],
            json.loads(path.read_bytes()),
        )
        for path in files
    }


@pytest.fixture
def sample():
    """A sample of ours by its name, fresh for every test to change."""
    return lambda name: json.loads((SAMPLES / f"{name}.json").read_bytes())


def pytest_generate_tests(metafunc):
    if "webhook" in metafunc.fixturenames:
        found = webhooks()
        metafunc.parametrize("webhook", found.values(), ids=found.keys())
