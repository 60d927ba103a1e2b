"""Which index a URL means. The only module that knows all kinds; each is imported when used."""

import re
import warnings
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.ports import VectorIndex

HTTP_PORT = 8080
GRPC_PORT = 50051
"""Weaviate's own defaults."""
FORM = (
    f"weaviate://HOST[:{HTTP_PORT}][?grpc_port={GRPC_PORT}], sqlite:///absolute/path.db or "
    "sqlite:relative/path.db"
)


def make_index(url: str, collection: str, dimension: int) -> VectorIndex:
    """The index at `url`, not connected yet: it connects at `open` or at its first call."""
    if not re.fullmatch(r"[A-Z][A-Za-z0-9_]*", collection):
        raise ConfigurationError(
            f"index collection {collection!r}: begin with a capital letter, go on with letters, "
            "digits and '_'"
        )
    parts = urlsplit(url)
    if parts.scheme == "weaviate":
        return _weaviate(url, parts, collection, dimension)
    if parts.scheme == "sqlite":
        return _sqlite(url, parts, collection, dimension)
    raise _wrong(url, f"the scheme {parts.scheme!r} names no index")


async def open_index(url: str, collection: str, dimension: int) -> VectorIndex:
    """The index at `url`, connected, its collections made and checked."""
    index = make_index(url, collection, dimension)
    await index.open()
    return index


def _weaviate(url: str, parts: SplitResult, collection: str, dimension: int) -> VectorIndex:
    with warnings.catch_warnings(record=True):  # the client's dependencies warn of one another
        from stepwell.streams.index.weaviate.index import WeaviateIndex
        from stepwell.streams.index.weaviate.session import WeaviateAddress

    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    grpc_port = settings.pop("grpc_port", str(GRPC_PORT))
    try:
        http_port = parts.port or HTTP_PORT
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if not parts.hostname:
        raise _wrong(url, "the host is missing")
    if not (grpc_port.isdecimal() and 0 < int(grpc_port) < 65536):
        raise _wrong(url, f"grpc_port {grpc_port!r} is not a port")
    if int(grpc_port) == http_port:
        raise _wrong(url, f"HTTP and gRPC cannot share port {http_port}")
    if settings or parts.username or parts.fragment or parts.path.strip("/"):
        raise _wrong(url, "only the host, its port and grpc_port belong there")
    address = WeaviateAddress(parts.hostname, http_port, int(grpc_port))
    return WeaviateIndex(address, collection=collection, dimension=dimension)


def _sqlite(url: str, parts: SplitResult, collection: str, dimension: int) -> VectorIndex:
    from stepwell.streams.index.sqlite.index import SqliteIndex

    if parts.netloc or parts.query or parts.fragment:
        raise _wrong(url, "only the path of a file belongs there")
    if not parts.path or parts.path.endswith("/"):
        raise _wrong(url, "the path of the file is missing")
    path = Path(unquote(parts.path)).expanduser()
    return SqliteIndex(path, collection=collection, dimension=dimension)


def _wrong(url: str, why: str) -> ConfigurationError:
    shown = re.sub(r"//[^/]*@", "//***@", url)  # a password does not belong there, nor in a log
    return ConfigurationError(f"index URL {shown!r}: {why}; write {FORM}")
