import pytest

from stepwell.streams.index.memory import InMemoryIndex
from tests.contract.index_contract import DIMENSION, IndexContract
from tests.contract.index_contract_words import WordsContract


class TestInMemoryIndex(IndexContract, WordsContract):
    @pytest.fixture
    async def index(self):
        index = InMemoryIndex(DIMENSION)
        await index.open()
        yield index
        await index.close()
