"""A process that is killed while it projects leaves a file that another one goes on with."""

import multiprocessing
from pathlib import Path
from random import Random

import pytest

from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.projection import Row
from tests.readmodel.journals import batches, chaos

pytestmark = pytest.mark.slow


def project(path: Path, rows: list[Row], seed: int) -> None:
    model = ReadModel(path)
    for batch in batches(Random(seed), rows, 20):
        model.take(batch)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    rows, path, random = chaos(1, 5_000), tmp_path / "model", Random(1)
    context = multiprocessing.get_context("spawn")
    for seed in range(6):
        process = context.Process(target=project, args=(path, rows, seed))
        process.start()
        process.join(timeout=0.5 + random.random())
        process.kill()
        process.join()
    live, rebuilt = ReadModel(path), ReadModel()
    live.take(rows)
    rebuilt.take(rows)
    assert list(live.dump()) == list(rebuilt.dump())
