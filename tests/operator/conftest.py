"""The shop of the tests of dead letters."""

from tests.deadletters.conftest import shop

__all__ = ["shop"]
