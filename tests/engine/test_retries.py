"""Failed attempts: when the next one starts, when it is over."""

from datetime import timedelta

import pytest

from stepwell.schemas.journal import AttemptFailed, ErrorInfo, StepFailed
from stepwell.streams import Backoff, Retries
from stepwell.streams.engine.attempt import Attempt
from stepwell.streams.engine.durations import to_ms
from stepwell.streams.engine.effects import RunStep
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.retry import StepOptions, step_options
from tests.engine.scenario import Scenario

BOOM = ErrorInfo("Boom", "it broke")


def body() -> None: ...


def attempt_of(retries: Retries, number: int) -> Attempt:
    step = RunStep(StepKey("pay", 1), body, (), StepOptions(retries, 1000), number, 0)
    return Attempt(step, run=1, epoch=5, started_ms=100)


@pytest.mark.parametrize(
    ("backoff", "waits_ms"),
    [
        (Backoff.CONSTANT, [2000, 2000, 2000, 2000]),
        (Backoff.LINEAR, [2000, 4000, 6000, 8000]),
        (Backoff.EXPONENTIAL, [2000, 4000, 8000, 16000]),
    ],
)
def test_the_wait_grows_as_the_backoff_says(backoff: Backoff, waits_ms: list[int]) -> None:
    retries = Retries(limit=9, delay="2 seconds", backoff=backoff)
    assert [retries.delay_ms(attempt) for attempt in (1, 2, 3, 4)] == waits_ms


def test_a_failed_attempt_is_tried_again_after_the_wait() -> None:
    record = attempt_of(Retries(limit=1, delay=500), 1).failed(BOOM, 1000, retryable=True)
    assert isinstance(record, AttemptFailed)
    assert (record.attempt, record.retry_at_ms, record.epoch) == (1, 1500, 5)


def test_limit_counts_retries_so_there_is_one_attempt_more() -> None:
    retries = Retries(limit=2, delay=0)
    ends = [type(attempt_of(retries, n).failed(BOOM, 0, retryable=True)) for n in (1, 2, 3)]
    assert ends == [AttemptFailed, AttemptFailed, StepFailed]


def test_an_error_that_is_not_retryable_ends_the_step_at_once() -> None:
    assert isinstance(attempt_of(Retries(), 1).failed(BOOM, 0, retryable=False), StepFailed)


def test_huge_exponents_stay_within_a_year() -> None:
    assert Retries(limit=10_000).delay_ms(9_999) == 365 * 24 * 3600 * 1000


async def test_the_next_attempt_carries_its_number_and_time() -> None:
    async def run(_event, step):
        return await step.do("pay", body, retries=Retries(limit=3, delay=10))

    (again,) = Scenario(run).retry("pay", attempt=1, at_ms=77).effects
    assert (again.attempt, again.not_before_ms) == (2, 77)


async def test_a_replay_remembers_the_attempt_and_its_time() -> None:
    async def run(_event, step):
        return await step.do("pay", body)

    story = Scenario(run).retry("pay", 1, 50).retry("pay", 2, 99)
    (again,) = story.replayed()
    assert (again.attempt, again.not_before_ms) == (3, 99)


def test_defaults_are_those_of_cloudflare_workflows() -> None:
    options = step_options(None, None)
    assert (options.retries, options.timeout_ms) == (
        Retries(5, "10 seconds", "exponential"),
        600_000,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Retries(limit=-1),
        lambda: Retries(limit=10_001),
        lambda: Retries(limit="3"),
        lambda: Retries(delay="5 parsecs"),
        lambda: Retries(delay=-1),
        lambda: Retries(backoff="exponentail"),
        lambda: step_options(None, 0),
        lambda: step_options(None, "soon"),
    ],
)
def test_wrong_settings_are_refused_when_they_are_written(wrong) -> None:
    with pytest.raises(InvalidDefinition):
        wrong()


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        (250, 250),
        ("250", 250),
        ("250 ms", 250),
        ("1 second", 1000),
        ("5 minutes", 300_000),
        ("1.5 hours", 5_400_000),
        ("2 days", 172_800_000),
        ("1 week", 604_800_000),
        ("1 month", 2_592_000_000),
        (timedelta(seconds=3), 3000),
        ("10 Seconds", 10_000),
    ],
)
def test_durations_read_as_people_write_them(duration, ms) -> None:
    assert to_ms(duration) == ms


@pytest.mark.parametrize(
    "duration", ["", "soon", "5 parsecs", "-1 second", None, True, [1], "1 2", "1 year"]
)
def test_other_durations_are_refused(duration) -> None:
    with pytest.raises(InvalidDefinition):
        to_ms(duration)
