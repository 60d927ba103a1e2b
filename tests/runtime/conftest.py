"""What tests of step bodies share."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from tests.runtime.bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench with as many places as anybody needs."""
    bench = Bench(random=Random(1))
    yield bench
    bench.bodies.close()
