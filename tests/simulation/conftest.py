"""Every simulated life happens under these."""

import pytest

from stepwell.streams.runtime import carrier, owner


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances are carried on in several turns, so that records come in between."""
    monkeypatch.setattr(owner, "LOOKED_AT_AT_ONCE", 2)
    monkeypatch.setattr(carrier, "LOST_MAX", 1_000)  # nothing here takes its worker down itself
