"""Health: nobody waits for what is away, and nothing is asked when nobody looks."""

import asyncio

import pytest

from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.health import HealthBoard, HealthPart, HealthState, Look

GOOD = HealthPart("a", HealthState.GOOD, "well")


class Asked:
    """Counts how often it is asked; answers when it may."""

    def __init__(self, *parts, error=None):
        self.count = 0
        self.may = asyncio.Event()
        self.may.set()
        self._parts, self._error = parts, error

    async def __call__(self):
        self.count += 1
        await self.may.wait()
        if self._error:
            raise self._error
        return self._parts


def board_of(*looks, now=None):
    return HealthBoard(looks, wait_ms=1_000, clock=lambda: (now or [1_000.0])[0])


async def test_the_first_answer_is_that_nobody_knows_yet():
    board = board_of(Look(("a",), Asked(GOOD)))
    view = board.current()
    assert [part.state for part in view.parts] == ["unknown"]
    assert view.checked_ms is None
    assert (await board.fresh()).parts == (GOOD,)
    await board.close()


async def test_what_is_fresh_is_not_asked_again():
    now, asked = [1_000.0], Asked(GOOD)
    board = board_of(Look(("a",), asked, fresh_ms=5_000), now=now)
    await board.fresh()
    now[0] += 4
    await board.fresh()
    assert asked.count == 1
    now[0] += 2
    await board.fresh()
    assert asked.count == 2
    await board.close()


async def test_nobody_waits_for_what_does_not_answer():
    asked = Asked(GOOD)
    asked.may.clear()
    board = board_of(Look(("a", "b"), asked, timeout_ms=20))
    assert board.current().parts[0].state is HealthState.UNKNOWN
    for _ in range(5):
        board.current()
    view = await board.fresh()
    assert asked.count == 1, "one look at a time"
    assert [(part.name, part.state) for part in view.parts] == [("a", "bad"), ("b", "unknown")]
    assert "no answer within 20 ms" in view.parts[0].detail
    await board.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [(BrokerUnavailable("no broker"), "no broker"), (ValueError("a bug"), "see the log")],
)
async def test_what_fails_is_bad_and_says_why(error, said):
    well = HealthPart("c", HealthState.GOOD, "well")
    board = board_of(Look(("a",), Asked(error=error)), Look(("c",), Asked(well)))
    view = await board.fresh()
    assert view.parts[0].state is HealthState.BAD
    assert said in view.parts[0].detail
    assert view.parts[1] == well
    assert view.state is HealthState.BAD
    await board.close()


async def test_what_was_known_stays_until_it_is_known_anew():
    now, asked = [1_000.0], Asked(GOOD)
    board = board_of(Look(("a",), asked), now=now)
    await board.fresh()
    now[0] += 60
    asked.may.clear()
    assert board.current().parts == (GOOD,)
    assert board.current().checked_ms == 1_000_000
    await board.close()


async def test_programs_do_not_wait_for_what_takes_long():
    slow = Asked(HealthPart("s", HealthState.GOOD, "well"))
    slow.may.clear()
    looks = (Look(("s",), slow, timeout_ms=60_000), Look(("a",), Asked(GOOD)))
    board = HealthBoard(looks, wait_ms=10)
    view = await board.fresh()
    assert [part.state for part in view.parts] == ["unknown", "good"]
    await board.close()
