"""The journal holds the last value of each key, whatever happens to the process."""

import asyncio
from random import Random

import pytest

from stepwell.streams.broker.errors import DataFolderDamaged, StorageFailed
from stepwell.streams.broker.storage.journal import Journal


def values(journal):
    return dict(journal.entries())


def test_the_last_value_counts(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.put([(("a", 1), {"x": 1}), (("b",), [1])])
    journal.put([(("a", 1), {"x": 2}), (("b",), None)])
    assert values(journal) == values(Journal(tmp_path / "j")) == {("a", 1): {"x": 2}}


@pytest.mark.parametrize("garbage", [b"\0" * 50, Random(7).randbytes(99), b"\0\0\0\5xxxx12"])
def test_a_torn_end_is_cut_off(tmp_path, garbage):
    Journal(tmp_path / "j").put([(("a",), 1)])
    with (tmp_path / "j").open("ab") as file:
        file.write(garbage)
    again = Journal(tmp_path / "j")
    assert again.cut_bytes == len(garbage)
    again.put([(("b",), 2)])
    assert values(Journal(tmp_path / "j")) == {("a",): 1, ("b",): 2}


def test_a_file_that_is_no_journal_is_left_alone(tmp_path):
    (tmp_path / "j").write_bytes(b"something else entirely")
    with pytest.raises(DataFolderDamaged, match="does not begin as a journal"):
        Journal(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == b"something else entirely"


def test_history_asks_for_compaction(tmp_path):
    journal = Journal(tmp_path / "j")
    assert not journal.wants_compaction
    for number in range(3000):
        journal.put([(("key",), "x" * 400 + str(number))])
    assert journal.wants_compaction


async def test_compaction_keeps_what_counts_and_what_comes_meanwhile(tmp_path):
    journal = Journal(tmp_path / "j")
    for number in range(1000):
        journal.put([(("key", number % 10), number)])
    before = (tmp_path / "j").stat().st_size
    compacting = asyncio.create_task(journal.compact())
    written = 0
    while not compacting.done():
        journal.put([(("meanwhile", written), written)])
        written += 1
        await asyncio.sleep(0)
    await compacting
    journal.put([(("after",), 1)])
    found = values(Journal(tmp_path / "j"))
    assert found == values(journal)
    assert {("key", n): 990 + n for n in range(10)}.items() <= found.items()
    assert sum(key[0] == "meanwhile" for key in found) == written > 0
    assert (tmp_path / "j").stat().st_size < before + written * 100


async def test_a_compaction_that_a_crash_ended_leaves_the_old_file(tmp_path):
    Journal(tmp_path / "j").put([(("a",), 1)])
    (tmp_path / "j.new").write_bytes(b"half of it")
    assert values(Journal(tmp_path / "j")) == {("a",): 1}
    assert not (tmp_path / "j.new").exists()


def test_an_entry_that_the_disk_does_not_take_changes_nothing(tmp_path, small_files):
    journal = Journal(tmp_path / "j")
    journal.put([(("a",), 1)])
    with small_files(1000), pytest.raises(StorageFailed):
        journal.put([(("a",), "x" * 2000)])
    assert values(journal) == values(Journal(tmp_path / "j")) == {("a",): 1}
    journal.put([(("a",), "x" * 2000)])
    assert values(Journal(tmp_path / "j")) == {("a",): "x" * 2000}
