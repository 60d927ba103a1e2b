"""Which index a URL means, and what a wrong one is told."""

import asyncio

import pytest

from stepwell.streams.errors import ConfigurationError, IndexUnavailable
from stepwell.streams.index.factory import make_index, open_index
from stepwell.streams.index.sqlite.index import SqliteIndex
from stepwell.streams.index.weaviate.index import WeaviateIndex


def test_a_weaviate_url_makes_a_weaviate_index_that_is_not_connected_yet():
    index = make_index("weaviate://db.example:80?grpc_port=81", "Documents", 384)
    assert isinstance(index, WeaviateIndex)
    assert str(index._address) == "Weaviate at db.example:80 (gRPC 81)"


def test_ports_default_to_the_ones_weaviate_uses():
    index = make_index("weaviate://localhost", "Documents", 384)
    assert str(index._address) == "Weaviate at localhost:8080 (gRPC 50051)"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/index.db", "/data/index.db"),
        ("sqlite:data/index.db", "data/index.db"),
        ("sqlite:./index.db", "index.db"),
        ("sqlite:///data/my%20index%231.db", "/data/my index#1.db"),
    ],
)
def test_a_sqlite_url_makes_an_index_in_that_file_when_it_is_opened(url, path):
    index = make_index(url, "Documents", 384)
    assert isinstance(index, SqliteIndex)
    assert str(index._path) == path
    assert not index._path.exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8080", "the scheme 'localhost' names no index"),
        ("http://localhost:8080", "the scheme 'http' names no index"),
        ("", "the scheme '' names no index"),
        ("weaviate:///x", "the host is missing"),
        ("weaviate://h:port", "port"),
        ("weaviate://h:70000", "out of range"),
        ("weaviate://h?grpc_port=0", "grpc_port '0' is not a port"),
        ("weaviate://h?grpc_port=x", "grpc_port 'x' is not a port"),
        ("weaviate://h?grpcport=1", "only the host, its port and grpc_port"),
        ("weaviate://user:secret@h", "only the host, its port and grpc_port"),
        ("weaviate://h/v1", "only the host, its port and grpc_port"),
        ("weaviate://h:81?grpc_port=81", "HTTP and gRPC cannot share port 81"),
        ("sqlite://", "the path of the file is missing"),
        ("sqlite:///folder/", "the path of the file is missing"),
        ("sqlite://relative/index.db", "only the path of a file belongs there"),
        ("sqlite:///index.db?mode=ro", "only the path of a file belongs there"),
    ],
)
def test_a_wrong_url_is_told_what_is_wrong_and_what_is_right(url, reason):
    with pytest.raises(ConfigurationError) as caught:
        make_index(url, "Documents", 384)
    assert reason in str(caught.value)
    assert "write weaviate://HOST" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "documents", "My-Docs", "1Docs"])
def test_a_collection_name_that_weaviate_would_change_is_refused(name):
    with pytest.raises(ConfigurationError, match="begin with a capital letter"):
        make_index("weaviate://h", name, 384)


async def test_opening_an_index_that_is_not_there_says_so():
    with pytest.raises(IndexUnavailable, match=r"cannot be reached: .*(refused|failed)"):
        await open_index("weaviate://127.0.0.1:1?grpc_port=2", "Documents", 384)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"version": "none"}', b"<html>", b"\0\0\0\5"])
async def test_opening_something_else_says_so(answer):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(IndexUnavailable, match=f"Weaviate at 127.0.0.1:{port}"):
            await open_index(f"weaviate://127.0.0.1:{port}?grpc_port=2", "Documents", 384)
