"""Instances are counted once by their header rows, then by the changes of these."""

from collections.abc import Iterator

import orjson

from stepwell.streams.agents.census import COUNTED_AT_ONCE, Census

RUNNING, COMPLETE = orjson.dumps({"status": "running"}), orjson.dumps({"status": "complete"})


def rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    return ((b"order/%d" % number, RUNNING) for number in range(count))


def test_many_rows_are_counted_bit_by_bit_while_they_change() -> None:
    census = Census(rows(3 * COUNTED_AT_ONCE))
    census.changed(b"order/2999", RUNNING, COMPLETE)  # not counted yet
    census.changed(b"order/0", RUNNING, None)
    census.changed(b"audit/new", None, RUNNING)
    while census.count_some():
        pass
    assert census.counts == {
        ("order", "running"): 3 * COUNTED_AT_ONCE - 2,
        ("order", "complete"): 1,
        ("audit", "running"): 1,
    }


def test_of_an_empty_partition_nothing_is_counted() -> None:
    assert not Census(rows(0)).counts
