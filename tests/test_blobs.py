"""The claim check: what is put comes back unchanged, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from stepwell.schemas.values import dumps
from stepwell.streams.blobs import (
    BlobRef,
    BlobStore,
    BlobUnreadable,
    DirectoryBlobStore,
    InvalidBlobRef,
)
from stepwell.streams.engine.errors import ResultTooLarge
from stepwell.streams.engine.typed import result_decoder


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return DirectoryBlobStore(tmp_path / "blobs")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_is_put_comes_back(store: BlobStore) -> None:
    for data in (b"", b"an image", bytes(range(256)) * 10_000):
        ref = await store.put(data)
        assert ref == BlobRef(sha256(data).hexdigest(), len(data))
        assert await store.get(ref) == data


async def test_a_stream_is_stored_as_one(store: BlobStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"an ", b"", b"image"):
            yield chunk

    assert await store.put(chunks()) == await store.put(b"an image")


async def test_a_part_comes_back_alone(store: BlobStore) -> None:
    ref = await store.put(b"an image")
    parts = [await store.read(ref, offset, 3) for offset in (0, 3, 6, 8)]
    assert parts == [b"an ", b"ima", b"ge", b""]


async def test_a_part_that_is_missing_is_noticed(store: BlobStore, tmp_path: Path) -> None:
    ref = await store.put(b"an image")
    (file,) = files(tmp_path)
    file.write_bytes(b"an ")
    assert await store.read(ref, 0, 3) == b"an "
    with pytest.raises(BlobUnreadable, match="ends too early"):
        await store.read(ref, 3, 3)
    file.unlink()
    with pytest.raises(BlobUnreadable, match="cannot be read"):
        await store.read(ref, 0, 3)


async def test_putting_the_same_again_changes_nothing(store: BlobStore, tmp_path: Path) -> None:
    assert await store.put(b"an image") == await store.put(b"an image")
    assert len(files(tmp_path)) == 1


async def test_many_may_put_the_same_at_once(store: BlobStore, tmp_path: Path) -> None:
    refs = await asyncio.gather(*(store.put(b"an image") for _ in range(20)))
    assert len(set(refs)) == len(files(tmp_path)) == 1


async def test_a_stream_that_breaks_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError("the line is down")

    with pytest.raises(OSError, match="the line is down"):
        await store.put(chunks())
    assert files(tmp_path) == []


async def test_what_is_damaged_is_not_given_out(store: BlobStore, tmp_path: Path) -> None:
    ref = await store.put(b"an image")
    (path,) = files(tmp_path)
    path.write_bytes(b"an imagf")
    with pytest.raises(BlobUnreadable, match="it is damaged"):
        await store.get(ref)
    await store.put(b"an image")
    assert await store.get(ref) == b"an image"


async def test_what_is_not_there_is_named(store: BlobStore) -> None:
    with pytest.raises(BlobUnreadable, match="No such file"):
        await store.get(BlobRef("0" * 64, 7))
    ref = await store.put(b"an image")
    with pytest.raises(BlobUnreadable, match="damaged"):
        await store.get(BlobRef(ref.sha256, 7))


@pytest.mark.parametrize(
    "digest", ["../../etc/passwd", "", "A" * 64, "0" * 63 + "\n", "/etc", None]
)
async def test_a_reference_that_leads_elsewhere_is_refused(store: BlobStore, digest: Any) -> None:
    with pytest.raises(InvalidBlobRef):
        await store.get(BlobRef(digest, 7))


async def test_a_reference_survives_the_journal(store: BlobStore) -> None:
    async def body() -> BlobRef: ...

    import orjson

    ref = await store.put(b"an image")
    assert result_decoder(body)(orjson.loads(dumps(ref))) == ref


def test_the_error_of_a_result_that_is_too_large_says_what_to_use() -> None:
    assert "stepwell.streams.blobs" in str(ResultTooLarge(2_000_000))
