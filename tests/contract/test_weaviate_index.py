import secrets

import pytest
import weaviate

from stepwell.streams.index.factory import open_index
from tests.contract.index_contract import DIMENSION, IndexContract
from tests.contract.index_contract_collections import CollectionsContract
from tests.contract.index_contract_words import WordsContract


@pytest.mark.weaviate
class TestWeaviateIndex(IndexContract, WordsContract):
    @pytest.fixture
    async def index(self, weaviate_server):
        name = f"Contract{secrets.token_hex(4)}"
        index = await open_index(weaviate_server.url, name, DIMENSION)
        yield index
        await index.close()
        client = weaviate.use_async_with_local(
            port=weaviate_server.http_port,
            grpc_port=weaviate_server.grpc_port,
            skip_init_checks=True,
        )
        async with client:
            await client.collections.delete([name, f"{name}Removed"])


@pytest.mark.weaviate
class TestWeaviateCollections(CollectionsContract):
    @pytest.fixture
    def url(self, weaviate_server):
        return weaviate_server.url

    @pytest.fixture
    def first(self):
        return f"Contract{secrets.token_hex(4)}"
