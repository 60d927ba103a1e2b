import pytest

from stepwell.streams.index.factory import open_index
from tests.contract.index_contract import DIMENSION, IndexContract
from tests.contract.index_contract_words import WordsContract


class TestSqliteIndex(IndexContract, WordsContract):
    @pytest.fixture
    async def index(self, tmp_path):
        index = await open_index(f"sqlite://{tmp_path}/index.db", "Contract", DIMENSION)
        yield index
        await index.close()
