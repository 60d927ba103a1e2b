import pytest

from stepwell.streams.index.factory import open_index
from tests.contract.index_contract import DIMENSION, IndexContract
from tests.contract.index_contract_collections import CollectionsContract, create, other
from tests.contract.index_contract_words import WordsContract


class TestSqliteIndex(IndexContract, WordsContract):
    @pytest.fixture
    async def index(self, tmp_path):
        index = await open_index(f"sqlite://{tmp_path}/index.db", "Contract", DIMENSION)
        yield index
        await index.close()


class TestSqliteCollections(CollectionsContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite://{tmp_path}/index.db"

    @pytest.fixture
    def first(self):
        return "Documents"

    async def test_a_collection_is_a_file_beside_the_first(self, targets, tmp_path):
        await create(targets, other("Documents"))
        await targets.close()
        names = {"index.db", "index.DocumentsNext.db", "index.collections.db"}
        assert names <= {path.name for path in tmp_path.iterdir()}
