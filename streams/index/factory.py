"""Which index a URL means. The only module that knows all kinds; each is imported when used."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.index.directory import DirectoryStore
from stepwell.streams.index.held_back import HeldBackDirectory, HeldBackIndex
from stepwell.streams.index.rules import STALE, STORED
from stepwell.streams.ports import VectorIndex

if TYPE_CHECKING:
    from stepwell.streams.index.weaviate.session import WeaviateAddress

HTTP_PORT = 8080
GRPC_PORT = 50051
"""Weaviate's own defaults."""
HELD_BACK = {"held-back-stored": STORED, "held-back-stale": STALE}
FORM = (
    f"weaviate://HOST[:{HTTP_PORT}][?grpc_port={GRPC_PORT}], sqlite:///absolute/path.db or "
    "sqlite:relative/path.db"
)


def make_index(
    url: str, collection: str, dimension: int, *, first: str | None = None
) -> VectorIndex:
    """One collection of the index at `url`; it connects at `open` or at its first call.

    `first` is the name of the first collection, if this is another one. A scheme of `HELD_BACK`
    before its URL: it makes no writes, and answers all so.
    """
    _check_name(collection)
    if answer := HELD_BACK.get(url.partition(":")[0]):
        behind = make_index(url.partition(":")[2], collection, dimension, first=first)
        return HeldBackIndex(behind, dimension, answer)
    parts = urlsplit(url)
    if parts.scheme == "weaviate":
        address = _address(url, parts)
        from stepwell.streams.index.weaviate.index import WeaviateIndex

        return WeaviateIndex(address, collection=collection, dimension=dimension)
    if parts.scheme == "sqlite":
        from stepwell.streams.index.sqlite.index import SqliteIndex

        path = _path(url, parts)
        if first not in (None, collection):  # beside that of the first one
            path = path.with_name(f"{path.stem}.{collection}{path.suffix}")
        return SqliteIndex(path, collection=collection, dimension=dimension)
    raise _wrong(url, f"the scheme {parts.scheme!r} names no index")


def make_directory(url: str, first: str) -> DirectoryStore:
    """Where the directory of the index at `url` is kept, not connected yet."""
    _check_name(first)
    if url.partition(":")[0] in HELD_BACK:
        return HeldBackDirectory(make_directory(url.partition(":")[2], first))
    parts = urlsplit(url)
    if parts.scheme == "weaviate":
        address = _address(url, parts)
        from stepwell.streams.index.weaviate.directory import WeaviateDirectory

        return WeaviateDirectory(address, first)
    if parts.scheme == "sqlite":
        from stepwell.streams.index.sqlite.directory import SqliteDirectory

        path = _path(url, parts)
        return SqliteDirectory(path.with_name(f"{path.stem}.collections{path.suffix}"))
    raise _wrong(url, f"the scheme {parts.scheme!r} names no index")


async def open_index(url: str, collection: str, dimension: int) -> VectorIndex:
    """The index at `url`, connected, its collections made and checked."""
    index = make_index(url, collection, dimension)
    await index.open()
    return index


def _check_name(collection: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Za-z0-9_]*", collection):
        raise ConfigurationError(
            f"index collection {collection!r}: begin with a capital letter, go on with letters, "
            "digits and '_'"
        )


def _address(url: str, parts: SplitResult) -> "WeaviateAddress":
    with warnings.catch_warnings(record=True):  # the client's dependencies warn of one another
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
    return WeaviateAddress(parts.hostname, http_port, int(grpc_port))


def _path(url: str, parts: SplitResult) -> Path:
    if parts.netloc or parts.query or parts.fragment:
        raise _wrong(url, "only the path of a file belongs there")
    if not parts.path or parts.path.endswith("/"):
        raise _wrong(url, "the path of the file is missing")
    return Path(unquote(parts.path)).expanduser()


def _wrong(url: str, why: str) -> ConfigurationError:
    shown = re.sub(r"//[^/]*@", "//***@", url)  # a password does not belong there, nor in a log
    return ConfigurationError(f"index URL {shown!r}: {why}; write {FORM}")
