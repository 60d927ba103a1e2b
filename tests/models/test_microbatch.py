"""Texts of all callers meet in one micro-batcher, and each caller gets what is theirs."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from stepwell.models.errors import BadVector, EmbedderClosed, EmptyText, InferenceFailed
from stepwell.models.microbatch import ARRIVED_TEXTS_MAX, MicroBatcher

TIMEOUT_S = 10


class Work:
    """Stands for a model: a token per letter; the vector of a text is its length.

    Runs wait at a gate, so that texts gather behind them.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.open_for = 0
        """Texts of this length do not wait."""
        self.running = threading.Semaphore(0)

    def tokenise(self, texts: Sequence[str]) -> list[np.ndarray]:
        if "unreadable" in texts:
            raise ValueError("unreadable")
        return [np.array([ord(letter) for letter in text], dtype=np.int32) for text in texts]

    def run(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        self.batches.append([len(ids) for ids in batch])
        self.threads.add(threading.current_thread().name)
        self.running.release()
        assert len(batch[0]) == self.open_for or self.gate.wait(TIMEOUT_S)
        if not len(batch[0]):
            raise EmptyText("it has no tokens")
        if any(ids[0] == ord("!") for ids in batch):
            raise BadVector("it has NaN or infinite numbers")
        return np.array([[len(ids)] for ids in batch], dtype=np.float32)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def make_batcher(work: Work) -> Iterator[Callable[..., MicroBatcher]]:
    made = []

    def make(threads: int = 1, **limits: int) -> MicroBatcher:
        made.append(MicroBatcher(work.tokenise, work.run, threads=threads, **limits))
        return made[-1]

    yield make
    work.gate.set()
    for batcher in made:
        batcher.close()


def occupy(batcher: MicroBatcher, work: Work):
    """Keeps the only thread busy until the gate opens."""
    future = batcher.submit("z" * 300)
    assert work.running.acquire(timeout=TIMEOUT_S)
    return future


def test_texts_that_arrive_while_the_thread_is_busy_run_together(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    futures = [batcher.submit(text) for text in ("aa", "bbb", "cc", "ddd", "ee")]
    work.gate.set()
    assert [future.result(TIMEOUT_S)[0] for future in futures] == [2, 3, 2, 3, 2]
    assert work.batches == [[300], [2, 2, 2], [3, 3]]


def test_as_many_batches_run_at_once_as_there_are_threads(work, make_batcher):
    batcher = make_batcher(2)
    futures = [batcher.submit("a" * length) for length in (400, 401, 402)]
    assert work.running.acquire(timeout=TIMEOUT_S)
    assert work.running.acquire(timeout=TIMEOUT_S)
    assert len(work.batches) == 2
    work.gate.set()
    assert [future.result(TIMEOUT_S)[0] for future in futures] == [400, 401, 402]
    assert len(work.threads) == 2


def test_a_bad_text_fails_only_its_own_caller(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    good, bad, other = (batcher.submit(text) for text in ("aa", "!!", "cc"))
    work.gate.set()
    assert good.result(TIMEOUT_S)[0] == other.result(TIMEOUT_S)[0] == 2
    with pytest.raises(BadVector):
        bad.result(TIMEOUT_S)


def test_a_text_that_cannot_be_tokenised_fails_only_its_own_caller(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    good, bad = batcher.submit("aa"), batcher.submit("unreadable")
    work.gate.set()
    assert good.result(TIMEOUT_S)[0] == 2
    with pytest.raises(ValueError, match="unreadable"):
        bad.result(TIMEOUT_S)


def test_texts_of_no_tokens_fail_only_their_own_callers(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    good, *bad = (batcher.submit(text) for text in ("aa", "", ""))
    work.gate.set()
    assert good.result(TIMEOUT_S)[0] == 2
    for future in bad:
        with pytest.raises(EmptyText):
            future.result(TIMEOUT_S)
    assert batcher.submit("bb").result(TIMEOUT_S)[0] == 2


@pytest.mark.parametrize("bulk", [False, True])
def test_a_text_whose_job_cannot_start_fails_and_later_ones_do_not(
    work, make_batcher, monkeypatch, bulk
):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    batcher = make_batcher(2)
    work.gate.set()
    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", start)
        failed = [batcher.submit("aa", bulk=bulk) for _ in range(3)]
        for future in failed:
            with pytest.raises(InferenceFailed, match="could not be started: can't start new"):
                future.result(TIMEOUT_S)
    assert batcher.counters().failed == 3
    futures = [batcher.submit(text, bulk=bulk) for text in ("bb", "ccc", "dddd")]
    assert [future.result(TIMEOUT_S)[0] for future in futures] == [2, 3, 4]


def test_texts_that_gathered_fail_each_when_their_jobs_cannot_start(
    work, make_batcher, monkeypatch
):
    """More of them than a call may nest."""
    batcher = make_batcher()
    running = occupy(batcher, work)
    waiting = [batcher.submit("a" * (number % 40 + 1)) for number in range(3000)]
    with monkeypatch.context() as system:

        def submit(*_work):
            raise RuntimeError("cannot schedule new futures")

        system.setattr(batcher._live.executor, "submit", submit)
        work.gate.set()
        assert running.result(TIMEOUT_S)[0] == 300
        for future in waiting:
            with pytest.raises(InferenceFailed):
                future.result(TIMEOUT_S)
    assert batcher.submit("bb").result(TIMEOUT_S)[0] == 2


def test_the_text_of_a_cancelled_caller_is_not_run(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    cancelled, wanted = batcher.submit("aaaa"), batcher.submit("bb")
    assert cancelled.cancel()
    work.gate.set()
    assert wanted.result(TIMEOUT_S)[0] == 2
    assert work.batches == [[300], [2]]


def test_thousands_of_cancelled_callers_hold_nobody_up(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    for future in [batcher.submit("a") for _ in range(20_000)]:
        future.cancel()
    wanted = batcher.submit("bb")
    work.gate.set()
    assert wanted.result(TIMEOUT_S)[0] == 2


def test_a_caller_that_gives_up_while_running_disturbs_nobody(work, make_batcher):
    batcher = make_batcher()
    running = occupy(batcher, work)
    assert not running.cancel()
    work.gate.set()
    assert batcher.submit("bb").result(TIMEOUT_S)[0] == 2


def test_closing_finishes_what_runs_and_refuses_what_waits(work, make_batcher):
    batcher = make_batcher()
    running = occupy(batcher, work)
    waiting = batcher.submit("aa")
    closing = threading.Thread(target=batcher.close)
    closing.start()
    work.gate.set()
    closing.join(TIMEOUT_S)
    assert running.result(TIMEOUT_S)[0] == 300
    with pytest.raises(EmbedderClosed):
        waiting.result(TIMEOUT_S)
    with pytest.raises(EmbedderClosed):
        batcher.submit("bb")


def test_a_text_does_not_wait_for_bulk_texts(work, make_batcher):
    batcher = make_batcher()
    bulk = [batcher.submit("b" * 300, bulk=True) for _ in range(3)]
    assert work.running.acquire(timeout=TIMEOUT_S)
    work.open_for = 2
    assert batcher.submit("aa").result(TIMEOUT_S)[0] == 2
    assert not any(future.done() for future in bulk)
    work.gate.set()
    assert [future.result(TIMEOUT_S)[0] for future in bulk] == [300] * 3


def test_bulk_texts_gather_and_run_together(work, make_batcher):
    batcher = make_batcher()
    batcher.submit("b" * 300, bulk=True)
    assert work.running.acquire(timeout=TIMEOUT_S)
    futures = [batcher.submit(text, bulk=True) for text in ("aa", "bbb", "cc")]
    work.gate.set()
    assert [future.result(TIMEOUT_S)[0] for future in futures] == [2, 3, 2]
    assert work.batches == [[300], [2, 2], [3]]


def test_a_bulk_text_that_fails_fails_only_its_own_caller(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    good, bad = batcher.submit("aa", bulk=True), batcher.submit("!!", bulk=True)
    work.gate.set()
    assert good.result(TIMEOUT_S)[0] == 2
    with pytest.raises(BadVector):
        bad.result(TIMEOUT_S)


def test_too_many_bulk_texts_hold_no_other_caller(work, make_batcher):
    batcher = make_batcher()
    batcher.submit("b" * 300, bulk=True)
    assert work.running.acquire(timeout=TIMEOUT_S)
    bulk = [batcher.submit("b", bulk=True) for _ in range(ARRIVED_TEXTS_MAX)]
    work.open_for = 2
    assert batcher.submit("aa", wait=True).result(TIMEOUT_S)[0] == 2
    work.gate.set()
    assert bulk[-1].result(TIMEOUT_S)[0] == 1


def test_many_threads_may_submit_at_once(work, make_batcher):
    batcher, found = make_batcher(2), []
    work.gate.set()

    def caller(seed: int) -> None:
        lengths = [(seed * 7 + number) % 40 + 1 for number in range(200)]
        futures = [batcher.submit("a" * length) for length in lengths]
        found.append([future.result(TIMEOUT_S)[0] for future in futures] == lengths)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert found == [True] * 8


def test_a_caller_that_waits_for_room_is_held_while_too_many_texts_wait(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    queued = [batcher.submit("a") for _ in range(ARRIVED_TEXTS_MAX)]
    late = held_caller(batcher, "bb")
    assert late.vectors == []
    work.gate.set()
    late.thread.join(TIMEOUT_S)
    assert late.vectors[0].result(TIMEOUT_S)[0] == 2
    assert [future.result(TIMEOUT_S)[0] for future in queued] == [1] * ARRIVED_TEXTS_MAX


def test_a_caller_that_waits_for_room_is_held_while_too_long_texts_wait(work, make_batcher):
    batcher = make_batcher(arrived_characters_max=100)
    occupy(batcher, work)
    batcher.submit("a" * 100)
    late = held_caller(batcher, "bb")
    assert late.vectors == []
    batcher.submit("ccc").cancel()  # who does not wait is never held
    work.gate.set()
    late.thread.join(TIMEOUT_S)
    assert late.vectors[0].result(TIMEOUT_S)[0] == 2


def test_closing_frees_a_caller_that_is_held(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    for _ in range(ARRIVED_TEXTS_MAX):
        batcher.submit("a")
    late = held_caller(batcher, "bb")
    work.gate.set()
    batcher.close()
    late.thread.join(TIMEOUT_S)
    assert not late.thread.is_alive()
    assert not late.vectors or late.vectors[0].done()


def test_it_counts_what_it_did_and_what_waits(work, make_batcher):
    batcher = make_batcher()
    occupy(batcher, work)
    futures = [batcher.submit(text) for text in ("aa", "bbb", "cc", "!")]
    assert batcher.counters().waiting == 4
    work.gate.set()
    for future in futures[:-1]:
        future.result(TIMEOUT_S)
    with pytest.raises(BadVector):
        futures[-1].result(TIMEOUT_S)
    batcher.close()
    counters = batcher.counters()
    assert (counters.waiting, counters.texts, counters.tokens, counters.failed) == (0, 4, 307, 1)
    assert counters.runs == {1: 2, 2: 1}
    assert sum(counters.waits.counts) == counters.texts
    assert sum(counters.run_times.counts) == sum(counters.runs.values())
    assert counters.run_times.total > 0
    assert counters.tokenise_s > 0


class Held:
    """A thread that submits a text, waiting for room."""

    def __init__(self, batcher: MicroBatcher, text: str) -> None:
        self.vectors: list[Future[np.ndarray]] = []
        self.thread = threading.Thread(target=self._submit, args=(batcher, text))

    def _submit(self, batcher: MicroBatcher, text: str) -> None:
        with suppress(EmbedderClosed):
            self.vectors.append(batcher.submit(text, wait=True))


def held_caller(batcher: MicroBatcher, text: str) -> Held:
    """A caller that had time to get through, if anything had let it."""
    held = Held(batcher, text)
    held.thread.start()
    held.thread.join(0.05)
    return held


def test_an_observer_is_told_whose_texts_run_together(work, make_batcher):
    batcher, observer = make_batcher(), Callers()
    batcher.observer = observer
    occupy(batcher, work)
    futures = []
    for observer.caller, text in (("ann", "aa"), ("bob", "bb"), ("cy", "ccc")):
        futures.append(batcher.submit(text))
    work.gate.set()
    assert [future.result(TIMEOUT_S)[0] for future in futures] == [2, 2, 3]
    assert observer.ran == [["somebody"], ["ann", "bob"], ["cy"]]


class Callers:
    """Whoever submits is called by the name that is set."""

    def __init__(self) -> None:
        self.caller = "somebody"
        self.ran: list[list[object]] = []

    def asked(self) -> str:
        return self.caller

    @contextmanager
    def running(self, asked: Sequence[object]) -> Iterator[None]:
        self.ran.append(list(asked))
        yield
