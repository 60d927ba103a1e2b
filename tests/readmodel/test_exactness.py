"""The read model says what a fold of the whole journal says, however often it was interrupted."""

from pathlib import Path
from random import Random

import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import PauseRequested
from stepwell.schemas.journal import InstanceCreated
from stepwell.schemas.parts import Origin, Parent
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.projection import Row
from tests.readmodel.journals import batches, chaos, life, told


class Killed(BaseException):
    """The process ends here."""


def until_killed(rows: list[Row]):
    """Rows up to the moment at which the process ends."""
    yield from rows
    raise Killed


def live(path: Path, rows: list[Row], random: Random) -> ReadModel:
    """Project the rows in small batches; now and then the process dies amid one."""
    model, ledger = ReadModel(path, states_max=2), Ledger()
    for batch in batches(random, rows, 40):
        if random.random() < 0.2:
            with pytest.raises(Killed):
                model.take(until_killed(list(batch[: random.randint(0, len(batch))])))
        if random.random() < 0.1:
            model.close()
            model = ReadModel(path, states_max=2)
        model.take(batch)
        for row in batch:
            ledger.take(*row)
        if random.random() < 0.3:
            assert told(model) == told(ledger)
    assert told(model) == told(ledger)
    assert model.unreadable == ledger.unreadable
    return model


def assert_exact(path: Path, rows: list[Row], seed: int) -> None:
    model = live(path, rows, Random(seed))
    rebuilt = ReadModel()
    rebuilt.take(rows)
    assert list(model.dump()) == list(rebuilt.dump())
    model.close()


@pytest.mark.parametrize("seed", range(3))
def test_lives_full_of_crashes(tmp_path, seed):
    assert_exact(tmp_path / "model", life(seed), seed)


@pytest.mark.parametrize("seed", range(5))
def test_records_that_nobody_would_write(tmp_path, seed):
    assert_exact(tmp_path / "model", chaos(seed, 600), seed)


@pytest.mark.parametrize("seed", range(3))
def test_what_became_of_commands(seed):
    model, ledger = ReadModel(), Ledger()
    rows = chaos(seed, 400)
    model.take(rows)
    judged = [it for row in rows if (it := ledger.take(*row))]
    for one in judged:
        ruling = model.ruling(one.partition, one.offset)
        if ruling is not None:
            assert (ruling.verdict, ruling.before, ruling.after) == (
                one.verdict,
                one.before,
                one.after,
            )


def test_the_order_among_partitions_does_not_matter():
    rows = life(7)
    one, other = ReadModel(), ReadModel()
    one.take(rows)
    other.take(sorted(rows))
    assert list(one.dump()) == list(other.dump())


def test_two_processes_may_go_on_with_one_file(tmp_path):
    rows, random, path = life(5), Random(1), tmp_path / "model"
    one, other = ReadModel(path), ReadModel(path)
    for batch in batches(random, rows, 50):
        for model in random.choice(((one,), (one, other), (other, one), (other,))):
            model.take(batch)
    rebuilt = ReadModel()
    rebuilt.take(rows)
    assert list(one.dump()) == list(other.dump()) == list(rebuilt.dump())


def test_what_strangers_write_stops_nothing():
    """Keys that are no UTF-8, numbers that no table holds, texts of any kind."""
    parent = Parent("order/a", 2**64 - 1, "x", -(2**63), 1, awaited=True)
    origin = Origin("e", "t", "s", "\0💥'\"%", "t", 0, 2**64 - 1)
    records = [
        (b"order/\xff", InstanceCreated(1, 1, parent=parent)),
        (b"order/\xfe", InstanceCreated(2, 2, origin=origin)),
        (b"order/\xfe", PauseRequested(2, "\0", "\0")),
        ("órder/ünique".encode(), InstanceCreated(2**63, 4_000_000_000_000, origin=origin)),
        (b"", InstanceCreated(1, 1)),
        (b"order/", InstanceCreated(1, 1)),
    ]
    rows = [(0, at, key, codec.encode(record)) for at, (key, record) in enumerate(records)]
    rows += [(0, 6, b"order/junk", b"\xff"), (0, 7, b"order/empty", b"")]
    model, rebuilt = ReadModel(), ReadModel()
    for row in rows:
        model.take([row])
    rebuilt.take(rows)
    assert list(model.dump()) == list(rebuilt.dump())
    assert len(model.summaries()) == 2
    assert model.unreadable == 4
