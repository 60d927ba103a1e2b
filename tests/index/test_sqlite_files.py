"""The file of a SQLite index: made, found again, refused when it is another's or damaged."""

import os
from contextlib import closing

import apsw
import numpy as np
import pytest

from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.sqlite.index import SqliteIndex
from tests.index.sqlite_writer import DIMENSION, embedded


def index_at(path, *, dimension=DIMENSION, collection="Documents"):
    return SqliteIndex(path, collection=collection, dimension=dimension, deadline_s=5.0)


@pytest.fixture
async def path(tmp_path):
    """A file with some documents, closed."""
    path = tmp_path / "folder" / "index.db"
    index = index_at(path)
    await index.upsert([embedded(f"k{number}") for number in range(500)])
    await index.close()
    return path


async def test_what_was_stored_is_there_when_it_is_opened_again(path):
    index = index_at(path)
    await index.open()
    assert await index.count() == 500
    (hit,) = await index.search(embedded("k7").vector, limit=1)
    assert hit.document == embedded("k7").document
    assert len(await index.search_words("title", limit=1000)) == 500
    await index.close()


async def test_a_closed_index_leaves_one_file_and_opens_again_when_called(path):
    assert list(path.parent.iterdir()) == [path]
    index = index_at(path)
    await index.close()
    assert await index.count() == 500
    await index.close()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dimension": 5}, "holds dimension 8, asked for is 5"),
        ({"collection": "Others"}, "holds collection Documents, asked for is Others"),
    ],
)
async def test_another_dimension_or_collection_is_not_opened(path, other, message):
    with pytest.raises(IndexSchemaMismatch, match=message):
        await index_at(path, **other).open()


async def test_a_database_of_something_else_is_not_touched(tmp_path):
    path = tmp_path / "theirs.db"
    with closing(apsw.Connection(str(path))) as theirs:
        theirs.execute("CREATE TABLE documents(title)")
    before = path.read_bytes()
    with pytest.raises(IndexSchemaMismatch, match="a database of something else"):
        await index_at(path).open()
    assert path.read_bytes() == before


async def test_a_file_of_a_newer_release_is_not_opened(path):
    with closing(apsw.Connection(str(path))) as theirs:
        theirs.execute("PRAGMA user_version = 2")
    with pytest.raises(IndexSchemaMismatch, match="has format 2, this release reads 1"):
        await index_at(path).open()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, os.urandom(8192)])
async def test_a_file_that_is_no_database_is_named(tmp_path, content):
    path = tmp_path / "index.db"
    path.write_bytes(content)
    with pytest.raises(IndexSchemaMismatch, match=r"index\.db is damaged, or no index"):
        await index_at(path).open()
    assert path.read_bytes() == content


async def test_damage_is_told_and_not_taken_for_an_empty_index(path):
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    index = index_at(path)
    for call in (
        lambda: index.upsert([embedded("new")]),
        lambda: index.search(np.ones(DIMENSION, np.float32), limit=1),
        lambda: index.search_words("title", limit=1),
        index.count,
    ):
        with pytest.raises(IndexSchemaMismatch, match="damaged, or no index"):
            await call()
    await index.close()


async def test_a_truncated_file_is_told(path):
    os.truncate(path, path.stat().st_size // 2)
    index = index_at(path)
    with pytest.raises(IndexSchemaMismatch, match="damaged"):
        await index.upsert([embedded(f"k{number}", 1) for number in range(500)])
    await index.close()


async def test_a_file_deleted_while_in_use_is_told_before_anything_is_lost(path):
    index = index_at(path)
    await index.open()
    path.unlink()
    with pytest.raises(IndexSchemaMismatch, match="deleted or replaced while in use"):
        await index.upsert([embedded("a")])
    assert [one.status for one in await index.upsert([embedded("a")])] == ["stored"]
    assert path.exists()
    await index.close()


async def test_a_path_that_cannot_be_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "index.db"):
        with pytest.raises(IndexUnavailable, match=f"index {path}: .*(cannot be|disk)"):
            await index_at(path).open()
