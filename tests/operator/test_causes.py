"""Each thing that holds an instance up has its name, its words and what to do about it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from stepwell.streams.operator.explaining import Explainer, why
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.views import Cause, InstanceDetails, InstanceSummary, Ownership, StepView

OWNED = Ownership("stepwell.journal", 3, "worker-1 at 10.0.0.7", 0)
LATER = 1_767_312_000_000


def causes(
    status: str,
    *steps: StepView,
    reason: str | None = None,
    error: str | None = None,
    ownership: Ownership = OWNED,
) -> list[Cause]:
    summary = InstanceSummary("order", "o-1", status, 0, 0, error, reason)
    return list(why(InstanceDetails(summary, None, None, steps), ownership))


def only(*arguments: object, **options: object) -> Cause:
    (cause,) = causes(*arguments, **options)
    return cause


def test_one_that_is_on_its_way_has_no_cause():
    assert causes("running", StepView("a", 1, "complete", 1, 0, 1)) == []


def test_a_sleep_says_until_when():
    cause = only("waiting", StepView("nap", 1, "sleeping", 1, 0, kind="sleep", until_ms=LATER))
    assert (cause.code, cause.what) == ("timer", "nap-1 sleeps until 2026-01-02 00:00:00 UTC")


def test_a_wait_says_for_which_event_and_how_to_send_it():
    step = StepView("ok", 1, "waiting", 1, 0, until_ms=LATER, event_type="paid", match={"order": 7})
    cause = only("waiting", step)
    assert cause.code == "event"
    assert "'paid' with {'order': 7}" in cause.what
    assert cause.advice == "stepwell instances send-event o-1 --type paid"


def test_a_retry_says_what_failed_and_when_the_next_attempt_is():
    step = StepView("call", 2, "retrying", 3, 0, error="Boom: no", until_ms=LATER)
    cause = only("running", step)
    assert cause.code == "retry"
    assert cause.what.startswith("attempt 3 of call-2 failed; the next one: 2026-01-02")
    assert cause.what.endswith("Boom: no")


def test_an_index_that_is_down_is_named():
    step = StepView("upsert", 1, "retrying", 3, 0, error="IndexUnavailable: no", until_ms=LATER)
    cause = only("running", step)
    assert (cause.code, cause.advice) == ("index-down", "the index is down: stepwell doctor")


def test_a_child_leads_to_its_own_explanation():
    cause = only("waiting", StepView("ship", 1, "running", 1, kind="child", child="shipping/s-1"))
    assert (cause.code, cause.advice) == ("child", "stepwell explain shipping/s-1")


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        ("on holiday", "pause", "it is paused: on holiday"),
        ("diverged: expected 'a', found 'b'", "diverged", "expected 'a', found 'b'"),
        ("unknown-workflow: 'order'", "unknown-workflow", "'order'"),
        ("quarantined: three deaths", "poison", "three deaths"),
    ],
)
def test_a_pause_says_who_or_what_asked_for_it(reason, code, words):
    cause = only("paused", reason=reason)
    assert cause.code == code
    assert words in cause.what


def test_a_partition_that_nobody_owns_comes_before_the_rest():
    step = StepView("nap", 1, "sleeping", 1, 0, kind="sleep", until_ms=LATER)
    first, second = causes("waiting", step, ownership=replace(OWNED, owner=None))
    assert (first.code, second.code) == ("no-owner", "timer")
    assert "partition 3 of stepwell.journal" in first.what


def test_a_worker_that_is_behind_is_named():
    assert only("running", ownership=replace(OWNED, behind=5000)).code == "behind"


def test_a_limit_is_named():
    cause = only("queued", reason="2 of 'order' run, as many as may")
    assert cause.code == "limit"
    assert "2 of 'order' run" in cause.what


@pytest.mark.parametrize("status", ["complete", "errored", "terminated"])
def test_one_that_has_ended_says_how_to_run_it_again(status):
    cause = only(status, error="Boom: no")
    assert cause.code == "ended"
    assert status in cause.what
    assert "stepwell instances restart o-1" in cause.advice


async def test_the_broker_is_asked_once_for_many_who_look_at_a_partition():
    asked: list[int] = []
    now_ms = 1_000

    async def look_up(_: Settings, partition: int) -> Ownership:
        asked.append(partition)
        return replace(OWNED, partition=partition)

    settings = load_settings(
        flags={"kafka.partitions": "1"}, environ={}, config=None, directory=Path("nowhere")
    )
    explainer = Explainer(settings, look_up, clock=lambda: now_ms, kept_ms=2_000)
    details = InstanceDetails(InstanceSummary("order", "o-1", "running", 0, 0), None, None, ())
    found = await asyncio.gather(*(explainer.explain(details) for _ in range(5)))
    assert {it.ownership.partition for it in found} == {0}
    assert asked == [0]
    now_ms = 3_000
    await explainer.explain(details)
    assert asked == [0, 0]
