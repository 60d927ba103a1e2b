"""What our two Weaviate collections look like, made and checked explicitly.

`<Name>` holds documents, `<Name>Removed` remembers removals (key and time only), so that a late,
older upsert cannot bring a document back. Beside the vector that is searched, an object carries
`write`, two random numbers that no index holds: `writes.py` says why.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from weaviate import WeaviateAsyncClient
from weaviate.classes.config import (
    Configure,
    DataType,
    Property,
    StopwordsPreset,
    Tokenization,
    VectorDistances,
)
from weaviate.collections import CollectionAsync
from weaviate.collections.classes.config import CollectionConfig
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateQueryError

from stepwell.streams.errors import IndexSchemaMismatch
from stepwell.streams.index.keywords import K1, B

VECTOR = "default"
MAX_CONNECTIONS = 32
EF_CONSTRUCTION = 256
EF = 512
"""How widely the graph is linked and searched: recall@10 above 0.99 at 100,000 documents, see
`scripts/bench_index`. A collection keeps what it was made with."""
NONCE = "write"

_NOT_OPEN_YET = "non-existing index"
"""In the answer to a query; seen with 1.35.2."""
_OPENING_POLL_S = 0.02

Collection = CollectionAsync[dict[str, object], None]


@dataclass(frozen=True, slots=True)
class Field:
    """A property of ours; only filtered and searched ones are indexed."""

    name: str
    data_type: DataType
    filtered: bool = False
    searched: bool = False

    def definition(self) -> Property:
        """As the server is told."""
        text = self.data_type in (DataType.TEXT, DataType.TEXT_ARRAY)
        return Property(
            name=self.name,
            data_type=self.data_type,
            tokenization=self.tokenization() if text else None,
            index_filterable=self.filtered,
            index_searchable=self.searched if text else None,
        )

    def tokenization(self) -> Tokenization:
        """Filters match exactly; what is searched consists of words that we have cut."""
        return Tokenization.WHITESPACE if self.searched else Tokenization.FIELD


DOCUMENT_FIELDS = (
    Field("key", DataType.TEXT),
    Field("type", DataType.TEXT, filtered=True),
    Field("repo", DataType.TEXT, filtered=True),
    Field("number", DataType.INT),
    Field("title", DataType.TEXT),
    Field("body", DataType.TEXT),
    Field("state", DataType.TEXT, filtered=True),
    Field("url", DataType.TEXT),
    Field("labels", DataType.TEXT_ARRAY, filtered=True),
    Field("updated_at", DataType.TEXT),  # as given: versions are compared by it, exactly
    Field("updated_at_ms", DataType.INT, filtered=True),  # for comparisons in the server's queries
    Field("model", DataType.TEXT),
    Field("words", DataType.TEXT, searched=True),  # of title, body and labels
)
REMOVAL_FIELDS = (Field("key", DataType.TEXT), Field("updated_at", DataType.TEXT))


async def ensure(client: WeaviateAsyncClient, name: str, fields: tuple[Field, ...]) -> Collection:
    """The collection, made when it is missing; raises `IndexSchemaMismatch` when it differs."""
    if not await client.collections.exists(name):
        try:
            await client.collections.create(
                name,
                properties=[field.definition() for field in fields],
                vector_config=[
                    Configure.Vectors.self_provided(
                        name=VECTOR,
                        vector_index_config=Configure.VectorIndex.hnsw(
                            distance_metric=VectorDistances.COSINE,
                            max_connections=MAX_CONNECTIONS,
                            ef_construction=EF_CONSTRUCTION,
                            ef=EF,
                        ),
                    ),
                    Configure.Vectors.self_provided(
                        name=NONCE, vector_index_config=Configure.VectorIndex.none()
                    ),
                ],
                inverted_index_config=Configure.inverted_index(
                    bm25_k1=K1, bm25_b=B, stopwords_preset=StopwordsPreset.NONE
                ),
            )
        except UnexpectedStatusCodeError:
            if not await client.collections.exists(name):  # or another process made it meanwhile
                raise
    collection: Collection = client.collections.use(name)
    if found := list(differences(await collection.config.get(), fields)):
        raise IndexSchemaMismatch(
            f"Weaviate collection {name} has another shape: {'; '.join(found)}. "
            "Choose another collection name, or delete the collection and index again."
        )
    await _opened(collection)
    return collection


async def _opened(collection: Collection) -> None:
    """Wait, within the caller's deadline: a collection is in the schema before it can answer.

    Its maker waits for that by itself; whoever only finds it there may be too early.
    """
    while True:
        try:
            await collection.query.fetch_objects(limit=1, return_properties=[])
        except WeaviateQueryError as error:
            if _NOT_OPEN_YET not in str(error):
                raise
            await asyncio.sleep(_OPENING_POLL_S)
        else:
            return


def differences(config: CollectionConfig, fields: tuple[Field, ...]) -> Iterator[str]:
    """What a collection lacks of what we need; more than we need is fine."""
    properties = {found.name: found for found in config.properties}
    for field in fields:
        found = properties.get(field.name)
        if found is None:
            yield f"property {field.name} is missing"
        elif found.data_type != field.data_type:
            yield f"property {field.name} is {found.data_type.value}, not {field.data_type.value}"
        elif field.filtered and not found.index_filterable:
            yield f"property {field.name} cannot be filtered"
        elif field.searched and not found.index_searchable:
            yield f"property {field.name} cannot be searched"
        elif (field.filtered or field.searched) and found.tokenization not in (
            None,
            field.tokenization(),
        ):
            yield f"property {field.name} is cut into words in another way"
    vectors = config.vector_config or {}
    if missing := {VECTOR, NONCE} - vectors.keys():
        yield f"it has no vectors named {' and '.join(sorted(missing))}"
    elif vectors[VECTOR].vectorizer.vectorizer not in (None, "none"):
        yield f"its vectors are made by {vectors[VECTOR].vectorizer.vectorizer}, not by us"
    else:
        distance = getattr(vectors[VECTOR].vector_index_config, "distance_metric", None)
        if distance != VectorDistances.COSINE:
            yield f"its distance is {distance}, not cosine"
