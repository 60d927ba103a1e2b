"""An open connection to Weaviate with both collections made and checked."""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

import weaviate
from weaviate import WeaviateAsyncClient
from weaviate.classes.init import AdditionalConfig, Timeout
from weaviate.config import GrpcConfig
from weaviate.exceptions import WeaviateStartUpError

from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.weaviate.schema import (
    DOCUMENT_FIELDS,
    REMOVAL_FIELDS,
    VECTOR,
    Collection,
    ensure,
)

# The default grows to two minutes, in which a server that is back would seem to be away.
_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


@dataclass(frozen=True, slots=True)
class WeaviateAddress:
    """Where a server listens."""

    host: str
    http_port: int
    grpc_port: int

    def __str__(self) -> str:
        return f"Weaviate at {self.host}:{self.http_port} (gRPC {self.grpc_port})"


@dataclass(frozen=True, slots=True)
class Session:
    """The client and the two collections."""

    client: WeaviateAsyncClient
    documents: Collection
    removals: Collection


async def connect(
    address: WeaviateAddress, collection: str, *, dimension: int, timeout_s: float
) -> Session:
    """Connect, make what is missing; raises `IndexSchemaMismatch` when something differs."""
    client = await connect_client(address, timeout_s)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(client.close)
        documents = await ensure(client, collection, DOCUMENT_FIELDS)
        held = await _dimension_held(documents)
        if held not in (None, dimension):
            raise IndexSchemaMismatch(
                f"{address}, collection {collection} holds vectors of dimension {held}, the model "
                f"makes {dimension}. Use the model it was made with, or another collection name "
                "and index again."
            )
        removals = await ensure(client, f"{collection}Removed", REMOVAL_FIELDS)
        undo.pop_all()
    return Session(client, documents, removals)


async def connect_client(address: WeaviateAddress, timeout_s: float) -> WeaviateAsyncClient:
    """Connect; raises `IndexUnavailable`."""
    logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)  # it logs whole documents
    client = _client(address, timeout_s)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(client.close)
        await _reach(client, address)
        undo.pop_all()
    return client


async def _reach(client: WeaviateAsyncClient, address: WeaviateAddress) -> None:
    try:
        await client.connect()
    except WeaviateStartUpError as error:
        raise IndexUnavailable(
            f"{address} cannot be reached: {_root(error)}. Is it running, is the address right?"
        ) from error
    except (KeyError, TypeError, ValueError) as error:  # from an answer of another shape
        raise IndexUnavailable(f"{address}: what answers there is not Weaviate") from error


def _root(error: BaseException) -> BaseException:
    """What it began with: the client's own message leaves that out."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _client(address: WeaviateAddress, timeout_s: float) -> WeaviateAsyncClient:
    return weaviate.use_async_with_custom(
        http_host=address.host,
        http_port=address.http_port,
        http_secure=False,
        grpc_host=address.host,
        grpc_port=address.grpc_port,
        grpc_secure=False,
        skip_init_checks=True,  # one of them asks a package registry for the latest client
        additional_config=AdditionalConfig(
            timeout=Timeout(init=timeout_s, query=timeout_s, insert=timeout_s),
            grpc_config=GrpcConfig(channel_options=_RECONNECT),
        ),
    )


async def _dimension_held(documents: Collection) -> int | None:
    """The server knows a dimension only from what it holds: look at one vector."""
    sample = (await documents.query.fetch_objects(limit=1, include_vector=True)).objects
    return len(sample[0].vector[VECTOR]) if sample else None
