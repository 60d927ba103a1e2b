"""How a workflow goes, told from its newest instances; and that asking stays quick."""

import time

import pytest

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    ChildReported,
    InstanceCompleted,
    InstanceCreated,
    StepSucceeded,
)
from stepwell.schemas.parts import Parent
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.statistics import INSTANCES_MAX, percentiles, statistics_of
from tests.dashboard.desks import NOW_MS, Journal


@pytest.fixture
def journal():
    return Journal()


def by_name(statistics):
    return {it.name: it for it in statistics.steps}


def test_steps_are_counted_with_their_attempts_and_failures(journal):
    for number in range(10):
        journal.pipeline(number, fails=number == 3, retried=number < 4)
    found = journal.model.step_statistics("data-pipeline")
    assert found.counts == {"complete": 9, "errored": 1}
    assert (found.sampled, found.total) == (10, 10)
    extract, load = by_name(found)["extract"], by_name(found)["load"]
    assert (extract.count, extract.complete, extract.failed, extract.attempts) == (10, 10, 0, 14)
    assert (load.count, load.complete, load.failed, load.attempts) == (10, 9, 1, 12)
    assert (found.p50_ms, found.p95_ms) == (2005, 2009)


def test_durations_are_percentiles(journal):
    for number in range(20):
        journal.pipeline(number)
    load = by_name(journal.model.step_statistics("data-pipeline"))["load"]
    assert (load.p50_ms, load.p95_ms) == (1009, 1018)


def test_what_is_under_way_has_no_duration(journal):
    journal.brief()
    nap = by_name(journal.model.step_statistics("brief-analysis"))[
        "let the rate limit of the model recover"
    ]
    assert (nap.kind, nap.count, nap.complete, nap.p50_ms) == ("sleep", 1, 0, None)


def test_a_child_took_from_its_creation_to_its_report(journal):
    run = journal.put("report/r", InstanceCreated({}, NOW_MS))
    link = Parent("report/r", run, "count", 1, 1, awaited=True)
    journal.put("sales/s", InstanceCreated({}, NOW_MS + 100, parent=link))
    journal.put("report/r", ChildReported(run, "count", 1, 1, NOW_MS + 350, "sales/s", "complete"))
    (count,) = journal.model.step_statistics("report").steps
    assert (count.kind, count.p50_ms) == ("child", 250)


def test_a_workflow_that_nobody_knows_has_no_counts(journal):
    found = journal.model.step_statistics("unknown")
    assert (found.counts, found.steps, found.sampled, found.p50_ms) == ({}, (), 0, None)


def test_only_the_newest_instances_are_looked_at(journal):
    for number in range(5):
        journal.pipeline(number)
    connection = journal.model._connection
    found = statistics_of(connection, "data-pipeline", instances_max=2)
    assert (found.sampled, found.total) == (2, 5)
    assert {it.count for it in found.steps} == {2}
    few = statistics_of(connection, "data-pipeline", records_max=6)
    assert few.sampled == 1


def test_one_huge_instance_is_looked_at_in_part(journal):
    run = journal.put("bulk/b", InstanceCreated({}, NOW_MS))
    for number in range(30):
        journal.step(run, "bulk/b", f"s{number}", NOW_MS, 5, number + 1)
    connection = journal.model._connection
    found = statistics_of(connection, "bulk", records_max=10)
    assert 0 < len(found.steps) <= 11


def test_the_pulse_counts_all_and_knows_the_last_change(journal):
    assert journal.model.pulse().last_ms is None
    journal.pipeline(1)
    journal.brief()
    pulse = journal.model.pulse()
    assert pulse.counts == {"complete": 1, "running": 1}
    assert pulse.last_ms == NOW_MS - 50_000


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (None, None)), ([7], (7, 7)), ([1, 2], (1, 2)), (list(range(1, 101)), (50, 95))],
)
def test_percentiles_are_values_that_were_there(values, expected):
    assert percentiles(values) == expected


@pytest.mark.slow
def test_asking_takes_the_same_however_many_instances_there_are():
    model, rows, offset = ReadModel(), [], 0
    for number in range(100_000):
        name = "rare" if number % 1000 == 0 else "order"
        key, run = f"{name}/i{number}".encode(), offset
        records = [InstanceCreated({"n": number}, NOW_MS + number)]
        if number > 98_000:
            records += [
                StepSucceeded(run, f"s{n}", 1, 1, 0, NOW_MS, NOW_MS + n, n, call=n + 1)
                for n in range(8)
            ]
            records.append(InstanceCompleted(run, 0, NOW_MS + number + 9, None))
        for record in records:
            rows.append((0, offset, key, codec.encode(record)))
            offset += 1
    model.take(rows)
    for workflow in ("order", "rare"):
        began = time.perf_counter()
        found = model.step_statistics(workflow)
        took = time.perf_counter() - began
        assert found.sampled <= INSTANCES_MAX
        assert took < 0.5, (workflow, took)
    began = time.perf_counter()
    model.pulse()
    assert time.perf_counter() - began < 0.2
