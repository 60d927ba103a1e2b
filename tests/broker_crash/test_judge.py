"""The judge of the crash test finds what it must find."""

from types import SimpleNamespace

import pytest

from tests.broker_crash.load import Load, faults


def record(offset: int, producer: bytes, number: int) -> SimpleNamespace:
    return SimpleNamespace(partition=0, offset=offset, key=producer, value=b"%d xxx" % number)


GOOD = [record(0, b"a", 0), record(1, b"b", 0), record(2, b"a", 4), record(3, b"b", 4)]
ACKED = {(b"a", 0): (0, 0), (b"b", 0): (0, 1), (b"a", 4): (0, 2)}


def found(records: list[SimpleNamespace]) -> list[str]:
    return list(faults(Load("", acked=dict(ACKED)), records))


def test_what_is_as_it_should_be_has_no_fault():
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (GOOD[:2], "(b'a', 4) was acknowledged at (0, 2), found at None"),
        ([*GOOD[:2], record(2, b"b", 4)], "(b'a', 4) was acknowledged at (0, 2), found at None"),
        ([*GOOD, record(4, b"a", 4)], "(b'a', 4) is stored twice: (0, 2) and (0, 4)"),
        ([*GOOD, record(4, b"a", 2)], "(b'a', 2) at (0, 4) comes after 4"),
        ([*GOOD[:3], record(7, b"b", 4)], "(0, 7) follows offset 2"),
    ],
)
def test_faults_are_found(records, fault):
    assert fault in found(records)
