import resource
from contextlib import contextmanager

import pytest

from tests.broker.making import World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def small_files():
    """A disk that takes no file larger than so many bytes, for a while."""

    @contextmanager
    def limited(size_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
