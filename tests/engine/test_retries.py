"""Failed attempts: when the next one starts, when it is over."""

import re
from datetime import timedelta

import pytest

from stepwell.schemas.commands import StepKind
from stepwell.schemas.journal import AttemptFailed, StepFailed
from stepwell.schemas.parts import ErrorInfo
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


def test_a_longest_delay_caps_the_growth() -> None:
    retries = Retries(limit=9, delay="2 seconds", delay_max="5 seconds")
    assert [retries.delay_ms(attempt) for attempt in (1, 2, 3, 4)] == [2000, 4000, 5000, 5000]


def test_jitter_takes_a_random_share_off_each_delay() -> None:
    retries = Retries(delay=1000, backoff="constant", jitter=0.5)
    assert [retries.delay_ms(1, chance=chance) for chance in (0.0, 0.5, 1.0)] == [1000, 750, 500]


def test_the_backoff_multiplies_what_a_delay_function_gave() -> None:
    retries = Retries(delay=lambda _context, _error: 0, backoff="linear")
    assert retries.delay_ms(3, base_ms=200) == 600


def test_the_records_of_an_attempt_say_what_kind_of_step_it_was_and_its_place() -> None:
    key = StepKey("pay", 1, StepKind.ROLLBACK)
    options = StepOptions(Retries(limit=1, delay=0), 1000, sensitive=True)
    attempt = Attempt(RunStep(key, body, (), options, 1, 0, call=9), run=1, epoch=5, started_ms=100)
    records = [
        attempt.succeeded("secret", 0),
        attempt.failed(BOOM, 0, retryable=True),
        attempt.failed(BOOM, 0, retryable=False),
    ]
    assert [(record.step_kind, record.call) for record in records] == [("rollback", 9)] * 3
    assert (records[0].sensitive, attempt.chunk(0, "x", 0).step_kind) == (True, "rollback")


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


def test_no_retries_no_delay_and_a_function_as_delay_are_settings_too() -> None:
    assert Retries(limit=0, delay=0).limit == 0
    assert step_options(Retries(delay=lambda _context, _error: 1), None, sensitive=True).sensitive


def test_a_step_body_is_shown_none_in_the_place_of_a_delay_function() -> None:
    shown = Retries(limit=3, delay=lambda _context, _error: 1, jitter=0.5).shown()
    assert (shown.limit, shown.delay, shown.jitter) == (3, None, 0.5)
    assert Retries(delay=7).shown().delay == 7


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda: Retries(limit=-1), "0 to 10000"),
        (lambda: Retries(limit=10_001), "0 to 10000"),
        (lambda: Retries(limit="3"), "whole number"),
        (lambda: Retries(limit=True), "whole number"),
        (lambda: Retries(limit=2.5), "whole number"),
        (lambda: Retries(delay="5 parsecs"), "<number> <unit>"),
        (lambda: Retries(delay=-1), "between 0 and 365 days"),
        (lambda: Retries(delay=None), "a duration is"),
        (lambda: Retries(delay=float("nan")), "between 0 and 365 days"),
        (lambda: Retries(backoff="exponentail"), "constant, linear, exponential"),
        (lambda: Retries(backoff=None), "constant, linear, exponential"),
        (lambda: Retries(delay_max="never"), "<number> <unit>"),
        (lambda: Retries(jitter=1.5), "0 to 1"),
        (lambda: Retries(jitter="much"), "0 to 1"),
        (lambda: step_options(None, 0), "would fail every attempt"),
        (lambda: step_options(None, "soon"), "<number> <unit>"),
        (lambda: step_options({"limit": 3}, None), "is a `Retries`"),
        (lambda: step_options(None, None, sensitive="output"), "True or False"),
    ],
)
def test_wrong_settings_are_refused_when_they_are_written_and_the_rule_is_named(
    wrong, rule: str
) -> None:
    with pytest.raises(InvalidDefinition, match=re.escape(rule)):
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
    "duration", ["", "soon", "5 m", "5 parsecs", "-1 second", None, True, [1], "1 2", "1 year"]
)
def test_other_durations_are_refused(duration) -> None:
    with pytest.raises(InvalidDefinition):
        to_ms(duration)
