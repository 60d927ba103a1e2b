"""What was removed leaves no bytes in the files, once they are scrubbed."""

from pathlib import Path

import apsw
import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal
from stepwell.streams.index.sqlite.index import SqliteIndex
from stepwell.streams.ports import Scrubs

MARKER = "xyzzymarkerxyzzy"
REMOVAL = Removal("k7", "2026-06-01T00:00:00Z")


def document(number: int, text: str) -> Embedded:
    made = Document(
        f"k{number}", "issue", "o/r", number, text, text, "open", "", "2026-01-01T00:00:00Z"
    )
    return Embedded(made, np.array([0.6, 0.8], np.float32), "tiny@1")


def files_with_marker(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if MARKER.encode() in one.read_bytes()]


@pytest.fixture
async def index(tmp_path: Path):
    index = SqliteIndex(tmp_path / "index.db", collection="Docs", dimension=2)
    await index.upsert([document(n, f"word{n} {MARKER if n == 7 else ''}") for n in range(50)])
    yield index
    await index.close()


async def test_scrubbed_files_hold_nothing_of_what_was_removed(index, tmp_path):
    await index.remove([REMOVAL])
    assert files_with_marker(tmp_path)
    assert isinstance(index, Scrubs)
    assert await index.scrub()
    assert files_with_marker(tmp_path) == []
    assert len(await index.search_words("word8", limit=5)) == 1
    assert await index.search_words(MARKER, limit=5) == []


async def test_older_versions_of_a_document_are_scrubbed_too(index, tmp_path):
    newer = document(7, "harmless")
    await index.upsert([newer])
    assert await index.scrub()
    assert files_with_marker(tmp_path) == []
    assert await index.count() == 50


async def test_scrubbing_nothing_does_no_harm(index):
    assert await index.scrub()
    assert await index.scrub()
    assert len(await index.search_words(MARKER, limit=5)) == 1


async def test_a_reader_in_the_way_is_said(tmp_path):
    path = tmp_path / "index.db"
    index = SqliteIndex(path, collection="Docs", dimension=2, deadline_s=0.5)
    await index.upsert([document(7, MARKER)])
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM documents").fetchall()
    await index.remove([REMOVAL])
    assert not await index.scrub()
    reader.close()
    assert await index.scrub()
    await index.close()
    assert files_with_marker(tmp_path) == []
