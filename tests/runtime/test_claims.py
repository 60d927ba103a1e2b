"""Whose claim of a partition ended in a death, told by claims and releases in their order."""

import pytest

from stepwell.schemas import codec
from stepwell.schemas.journal import OwnerClaimed, OwnerReleased
from stepwell.streams.runtime.claims import Claims
from tests.simulation.durable import Durable, SimulatedRows

A, B = OwnerClaimed("worker-a", "a", 0), OwnerClaimed("worker-b", "b", 0)
A_LEAVES, B_LEAVES = OwnerReleased("a", 0), OwnerReleased("b", 0)


@pytest.mark.parametrize(
    ("records", "lost"),
    [
        ((A,), (0,)),
        ((A, A_LEAVES, B), (2,)),
        ((A, B), (0, 1)),
        ((A, B, A_LEAVES), (0, 1)),  # it was frozen: what it left behind may be late
        ((A, B, A_LEAVES, B_LEAVES), (0,)),
        ((A, B, A, A_LEAVES), (1,)),
    ],
    ids=["owns", "gave up", "died", "woke up later", "both", "claimed again"],
)
def test_who_did_not_give_it_up_while_it_was_theirs_is_lost(records, lost):
    rows = SimulatedRows(Durable())
    claims = Claims(rows)
    for offset, record in enumerate(records):
        claims.take(offset, record, codec.encode(record))
    assert claims.lost == lost
    assert Claims(rows).lost == lost  # told by rows alone
