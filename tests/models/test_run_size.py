"""How many tokens run together is measured on the lengths of texts; noise changes nothing."""

import time

import numpy as np
import pytest

from stepwell.models import benchmark
from stepwell.models.batching import TOKENS_PER_RUN_MAX
from stepwell.models.run_size import GAIN_MIN, RUN_SIZES, best_run_size, measure_run_sizes


class Costly:
    """Stands for a model that takes as long for any run, and notes which there were."""

    def __init__(self) -> None:
        self.ran: set[tuple[int, int]] = set()

    def run(self, batch):
        self.ran.add((len(batch[0]), len(batch)))
        until = time.thread_time() + 0.0005
        while time.thread_time() < until:
            pass


def texts(*lengths):
    return [np.zeros(length, dtype=np.int32) for length in lengths]


def test_where_large_runs_cost_no_more_the_largest_is_best():
    found = measure_run_sizes(Costly(), texts(*[16] * 50))
    assert found.best == RUN_SIZES[-1]
    rates = list(found.tokens_per_s.values())
    assert tuple(found.tokens_per_s) == RUN_SIZES
    assert rates == sorted(rates)
    assert rates[-1] > 3 * rates[0]


def test_texts_of_rare_lengths_never_fill_a_large_run():
    model = Costly()
    found = measure_run_sizes(model, texts(*range(64, 192)))
    assert max(count for _, count in model.ran) <= 8
    assert found.tokens_per_s[1024] == found.tokens_per_s[2048]


def test_texts_too_long_for_any_run_leave_the_default():
    found = measure_run_sizes(Costly(), texts(3000))
    assert found.best == TOKENS_PER_RUN_MAX
    assert len(set(found.tokens_per_s.values())) == 1


def test_the_lengths_that_run_have_equal_shares_of_the_tokens():
    model = Costly()
    measure_run_sizes(model, texts(*[10] * 200, *[1000], *[2000] * 2))
    assert {length for length, _ in model.ran} == {10, 2000}


def a_round(**rates):
    return dict.fromkeys(RUN_SIZES, 100.0) | {int(key[1:]): it for key, it in rates.items()}


def test_a_size_that_gains_more_than_noise_is_advised():
    assert best_run_size([a_round(_1024=120), a_round(_1024=110)]) == 1024


def test_of_equal_sizes_the_one_nearest_to_the_default_is_advised():
    assert best_run_size([a_round(_128=120, _256=120)]) == 256
    assert best_run_size([a_round(_1024=120, _2048=120)]) == 1024


@pytest.mark.parametrize(
    "rounds",
    [
        [a_round(), a_round()],
        [a_round(_256=100 * GAIN_MIN - 0.1)],
        [a_round(_256=200), a_round(_256=99)],
        [a_round(_256=120), a_round(_256=200, _512=130)],
        [a_round(_128=50, _256=50, _1024=50, _2048=50)],
    ],
    ids=["equal", "a little", "not every time", "less than the rounds differ", "slower"],
)
def test_otherwise_the_default_stays(rounds):
    assert best_run_size(rounds) == TOKENS_PER_RUN_MAX


def test_a_benchmark_reports_what_each_size_reaches(tiny_model):
    (report,) = benchmark(tiny_model, ["done", "twice", "done twice"], queries=3)
    assert tuple(report.tokens_per_s_by_run) == RUN_SIZES
    assert all(rate > 0 for rate in report.tokens_per_s_by_run.values())
    assert report.tokens_per_run in RUN_SIZES
