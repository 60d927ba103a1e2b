"""How many tokens should run together: measured, for caches differ and so do the lengths of texts.

Small runs read the weights too often, large ones leave a core's cache. Lengths matter because only
texts of equal length run together: those that are rare never fill a large run.
"""

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import accumulate, cycle, islice
from math import prod

from stepwell.models.arrays import Ids
from stepwell.models.batching import TOKENS_PER_RUN_MAX
from stepwell.models.lanes import cores, text_threads
from stepwell.models.microbatch import READY_TEXTS_MAX, READY_TOKENS_MAX
from stepwell.models.model import Model

RUN_SIZES = (128, 256, TOKENS_PER_RUN_MAX, 1024, 2048)
GAIN_MIN = 1.05
"""Less comes and goes from one measurement to the next."""

_LENGTHS = 3
_ROUNDS_MIN, _ROUNDS_MAX = 3, 12
_SECONDS = 5.0

_Run = tuple[int, int]
"""Tokens of each text, texts: all that the time of a run depends on."""
_Round = dict[int, float]
"""Tokens per second, by tokens per run."""


@dataclass(frozen=True, slots=True)
class RunSizes:
    """What was measured, and what follows."""

    tokens_per_s: dict[int, int]
    """Of all cores together, by how many run together."""

    best: int
    """The default, unless another one gains more than noise."""


def measure_run_sizes(model: Model, ids: Sequence[Ids]) -> RunSizes:
    """Runs texts of the lengths of these (at least one), as they would gather in a long queue.

    The sizes take turns for some seconds, longer with a large model. Processor time is counted:
    it hardly depends on what else the machine does.
    """
    runs = {size: _runs(size, [len(it) for it in ids]) for size in RUN_SIZES}
    batches = {run: _batch(run, ids) for size in RUN_SIZES for run in runs[size]}
    rounds: list[_Round] = []
    with text_threads(cores()) as threads:
        _cost(model, batches[max(batches, key=prod)], threads)  # takes the memory for all
        until = time.monotonic() + _SECONDS
        while len(rounds) < _ROUNDS_MIN or (len(rounds) < _ROUNDS_MAX and time.monotonic() < until):
            costs = {run: _cost(model, batch, threads) for run, batch in batches.items()}
            rounds.append({it: cores() / _mean(costs[run] for run in runs[it]) for it in RUN_SIZES})
    rates = {size: round(_mean(it[size] for it in rounds)) for size in RUN_SIZES}
    return RunSizes(rates, best_run_size(rounds))


def best_run_size(rounds: Sequence[_Round]) -> int:
    """The fastest, if its worst round beats the default's best and it gains enough.

    Otherwise the default; among equals, the one nearest to it.
    """
    usual = TOKENS_PER_RUN_MAX
    rates = {size: [it[size] for it in rounds] for size in rounds[0]}
    best = max(rates, key=lambda size: (_mean(rates[size]), -abs(size - usual)))
    worth = _mean(rates[best]) >= GAIN_MIN * _mean(rates[usual])
    return best if worth and min(rates[best]) > max(rates[usual]) else usual


def _runs(size: int, lengths: Sequence[int]) -> list[_Run]:
    """A run for each of some lengths, which stand for equal shares of all tokens."""
    ordered, tokens = sorted(lengths), sum(lengths)
    up_to, counts = list(accumulate(ordered)), Counter(lengths)
    queued = min(READY_TEXTS_MAX, READY_TOKENS_MAX * len(lengths) // tokens)
    runs = []
    for share in range(_LENGTHS):
        length = ordered[bisect_right(up_to, tokens * (2 * share + 1) // (2 * _LENGTHS))]
        texts = min(queued * counts[length] // len(lengths), size // length)
        runs.append((length, max(1, texts)))
    return runs


def _batch(run: _Run, ids: Sequence[Ids]) -> list[Ids]:
    length, texts = run
    return list(islice(cycle([it for it in ids if len(it) == length]), texts))


def _cost(model: Model, batch: Sequence[Ids], threads: Executor) -> float:
    """Seconds of a core for each token, while all cores do the same."""
    seconds = threads.map(lambda _: _run_s(model, batch), range(cores()))
    return _mean(seconds) / sum(map(len, batch))


def _run_s(model: Model, batch: Sequence[Ids]) -> float:
    started = time.thread_time()
    model.run(batch)
    return time.thread_time() - started


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)
