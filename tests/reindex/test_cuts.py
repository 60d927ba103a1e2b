"""A file is cut at the ends of lines, so that no batch is too much at once."""

import pytest

from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.workflows import reindex_sources
from stepwell.streams.workflows.reindex_sources import Batch, FileSource


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex_sources, "BATCH_BYTES_MAX", 20)
    monkeypatch.setattr(reindex_sources, "LINE_BYTES_MAX", 40)
    monkeypatch.setattr(reindex_sources, "READ_BYTES", 7)


async def source_of(content: bytes, documents_max: int = 3) -> FileSource:
    blobs = MemoryBlobStore()
    return FileSource(blobs, await blobs.put(content), "2026-01-01T00:00:00Z", documents_max)


async def pieces(source: FileSource, content: bytes, count: int = 2) -> list[tuple[int, bytes]]:
    """The number of the first line and the bytes of each batch, cut `count` at a time."""
    found: list[tuple[int, bytes]] = []
    start: Batch | None = Batch(1)
    while start:
        cuts = await source.cut(start, count)
        assert len(cuts.batches) <= count
        found += [
            (batch.number, content[batch.at : batch.at + batch.size_bytes])
            for batch in cuts.batches
        ]
        start = cuts.rest
    return found


@pytest.mark.parametrize("count", [1, 2, 100])
async def test_a_batch_ends_after_so_many_lines_or_bytes(count: int):
    content = b"a\nb\nc\nd\n" + b"e" * 15 + b"\n" + b"f" * 15 + b"\ng"
    source = await source_of(content)
    assert await pieces(source, content, count) == [
        (1, b"a\nb\nc\n"),
        (4, b"d\n" + b"e" * 15 + b"\n" + b"f" * 15 + b"\n"),
        (7, b"g"),
    ]


async def test_a_long_line_has_a_batch_of_its_own():
    content = b"a\n" + b"b" * 30 + b"\nc\n"
    source = await source_of(content)
    assert await pieces(source, content) == [(1, b"a\n"), (2, b"b" * 30 + b"\n"), (3, b"c\n")]


async def test_a_line_that_is_too_long_is_not_read():
    source = await source_of(b"a\n" + b"b" * 50)
    (_, long) = (await source.cut(Batch(1), 5)).batches
    found = await source.read(long)
    assert [failure.document for failure in found.failures] == ["line 2"]
    assert "takes 50 bytes" in found.failures[0].reason


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n\n\n"])
async def test_a_file_without_documents_has_none(content: bytes):
    source = await source_of(content)
    found = [await source.read(batch) for batch in (await source.cut(Batch(1), 9)).batches]
    assert not any(batch.documents or batch.failures for batch in found)
