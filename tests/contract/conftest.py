"""The suites live in modules of their own; their assertions shall explain themselves too."""

from pathlib import Path

import pytest

SUITES = Path(__file__).parent.glob("*_contract*.py")
pytest.register_assert_rewrite(*(f"tests.contract.{path.stem}" for path in SUITES))
