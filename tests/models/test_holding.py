"""A large file is checked and then read by onnxruntime itself: what was hashed is what runs."""

import os
from pathlib import Path

import pytest

from stepwell.models.errors import FileMissing, FileTruncated, HashMismatch
from stepwell.models.files import PinnedFile, holding_pinned, pin

CONTENTS = b"weights" * 1000


@pytest.fixture
def pinned(tmp_path) -> PinnedFile:
    (tmp_path / "model.onnx").write_bytes(CONTENTS)
    return pin(tmp_path / "model.onnx")


def rewrite(path: Path) -> None:
    path.write_bytes(b"poison!" * 1000)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(CONTENTS)
    other.replace(path)


def rewrite_in_secret(path: Path) -> None:
    """As long as before, and with the old time of change."""
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_path_of_an_unchanged_file_is_given(tmp_path, pinned):
    with holding_pinned(tmp_path, pinned) as path:
        assert path.read_bytes() == CONTENTS


@pytest.mark.parametrize("change", [rewrite, replace, rewrite_in_secret])
def test_a_file_that_is_changed_while_it_is_read_is_refused(tmp_path, pinned, change):
    with (
        pytest.raises(HashMismatch, match="was changed while it was loaded"),
        holding_pinned(tmp_path, pinned) as path,
    ):
        change(path)


def test_other_contents_are_refused_before_anything_reads_them(tmp_path, pinned):
    rewrite(tmp_path / "model.onnx")
    with pytest.raises(HashMismatch, match="sha256"), holding_pinned(tmp_path, pinned):
        pytest.fail("was given out")


def test_less_contents_are_refused_before_anything_reads_them(tmp_path, pinned):
    (tmp_path / "model.onnx").write_bytes(CONTENTS[:-1])
    with pytest.raises(FileTruncated), holding_pinned(tmp_path, pinned):
        pytest.fail("was given out")


def test_a_file_that_went_away_is_refused(tmp_path, pinned):
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(FileMissing), holding_pinned(tmp_path, pinned):
        pytest.fail("was given out")
