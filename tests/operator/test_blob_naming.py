"""What bytes name: hashes in plain text and in base64, at every place; too many, never too few."""

import base64
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from stepwell.schemas.values import dumps
from stepwell.streams.blobs import BlobRef
from stepwell.streams.operator.pruning import naming
from stepwell.streams.operator.pruning.naming import named_in, named_in_file

HASH = sha256(b"a report").hexdigest()
WANTED = {HASH, "0" * 64}


@pytest.mark.parametrize("length", range(4))
def test_bytes_in_a_result_are_looked_into(length):
    listed = b"x" * length + dumps([BlobRef(HASH, 8)])
    assert named_in(dumps({"refs": listed}), WANTED) == {HASH}
    assert named_in(dumps({"refs": dumps({"inner": listed})}), WANTED) == {HASH}
    assert named_in(dumps(np.frombuffer(listed, dtype=np.uint8)), WANTED) == {HASH}
    assert named_in(base64.urlsafe_b64encode(b"\xfb\xff" + listed), WANTED) == {HASH}


@pytest.mark.parametrize("around", [b"", b"\x00", b"g", b"f", b"0f" * 40])
def test_a_hash_in_plain_text_is_found_whatever_is_around_it(around):
    assert named_in(around + HASH.encode() + around, WANTED) == {HASH}
    assert named_in(around + HASH.upper().encode() + around, WANTED) == {HASH}


def test_what_is_not_asked_for_or_too_short_is_not_found():
    assert named_in(sha256(b"another").hexdigest().encode(), WANTED) == set()
    assert named_in(HASH[:-1].encode(), WANTED) == set()
    assert named_in(b"A" * 1001, WANTED) == set()


@pytest.mark.parametrize("before", range(0, 140, 3))
def test_a_file_is_read_in_blocks_and_no_hash_falls_between(tmp_path: Path, monkeypatch, before):
    monkeypatch.setattr(naming, "_BLOCK_BYTES", 70)
    (tmp_path / "list").write_bytes(b"x" * before + HASH.encode() + b"x" * 9)
    assert named_in_file(tmp_path / "list", WANTED) == {HASH}


def test_a_file_that_has_gone_names_nothing(tmp_path: Path):
    assert named_in_file(tmp_path / "gone", WANTED) == set()
