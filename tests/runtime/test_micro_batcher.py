"""Calls of many callers meet in one; what goes wrong for one stays with that one."""

import asyncio
from contextvars import ContextVar

import pytest

from stepwell.streams.runtime.batcher import BatcherClosed, BatchLimits, MicroBatcher

HOUR_MS = 3_600_000


class Upper:
    """Answers words in capitals, once it is let; keeps the batches it was called with."""

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, words):
        self.batches.append(list(words))
        await self.gate.wait()
        return [ValueError(word) if word == "bad" else word.upper() for word in words]


def limits(items_max=100, bytes_max=10**9, age_max_ms=0, queued_max=1000):
    return BatchLimits(items_max, bytes_max, age_max_ms, queued_max)


def submit(batcher, *words):
    return [asyncio.create_task(batcher.submit(word)) for word in words]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is the test's, not ours to signal
            await asyncio.sleep(0)


@pytest.fixture
def upper():
    return Upper()


async def test_callers_of_one_moment_share_a_call_and_get_their_own_answers(upper):
    batcher = MicroBatcher(upper, limits())
    assert await asyncio.gather(*submit(batcher, "a", "b", "c")) == ["A", "B", "C"]
    assert upper.batches == [["a", "b", "c"]]


async def test_while_a_call_is_under_way_the_next_batch_fills(upper):
    batcher = MicroBatcher(upper, limits())
    upper.gate.clear()
    first = submit(batcher, "a")
    await until(lambda: upper.batches)
    later = submit(batcher, "b", "c")
    await asyncio.sleep(0)
    assert upper.batches == [["a"]]
    upper.gate.set()
    assert await asyncio.gather(*first, *later) == ["A", "B", "C"]
    assert upper.batches == [["a"], ["b", "c"]]


async def test_a_full_batch_does_not_wait_for_its_age(upper):
    batcher = MicroBatcher(upper, limits(items_max=2, age_max_ms=HOUR_MS))
    tasks = submit(batcher, "a", "b", "c", "d")
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D"]
    assert upper.batches == [["a", "b"], ["c", "d"]]


async def test_a_batch_heavy_enough_does_not_wait_for_its_age(upper):
    batcher = MicroBatcher(upper, limits(bytes_max=10, age_max_ms=HOUR_MS), size_of=len)
    await asyncio.gather(*submit(batcher, "aaaa", "bbbb", "cccc", "dddddd"))
    assert upper.batches == [["aaaa", "bbbb"], ["cccc", "dddddd"]]


async def test_an_item_above_the_limit_of_bytes_goes_alone(upper):
    batcher = MicroBatcher(upper, limits(bytes_max=3), size_of=len)
    await asyncio.gather(*submit(batcher, "a", "elephant", "b"))
    assert upper.batches == [["a"], ["elephant"], ["b"]]


async def test_a_lonely_item_goes_when_it_is_old_enough(upper):
    batcher = MicroBatcher(upper, limits(age_max_ms=20))
    assert await batcher.submit("a") == "A"
    assert await batcher.submit("b") == "B"
    assert upper.batches == [["a"], ["b"]]


async def test_young_items_wait_for_company(upper):
    batcher = MicroBatcher(upper, limits(items_max=2, age_max_ms=HOUR_MS))
    (first,) = submit(batcher, "a")
    for _ in range(20):
        await asyncio.sleep(0)
    assert upper.batches == []
    assert await batcher.submit("b") == "B"
    assert await first == "A"


async def test_a_bad_item_fails_its_own_caller_only(upper):
    batcher = MicroBatcher(upper, limits())
    answers = await asyncio.gather(*submit(batcher, "a", "bad", "c"), return_exceptions=True)
    assert answers[0::2] == ["A", "C"]
    assert isinstance(answers[1], ValueError)


async def test_a_failed_call_fails_every_caller_in_it_and_no_later_one():
    failures = [ConnectionError("down")]

    async def call(words):
        if failures:
            raise failures.pop()
        return words

    batcher = MicroBatcher(call, limits())
    answers = await asyncio.gather(*submit(batcher, "a", "b"), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["down", "down"]
    assert await batcher.submit("c") == "c"


async def test_a_call_that_answers_for_too_few_is_an_error_of_every_caller():
    async def call(words):
        return words[1:]

    batcher = MicroBatcher(call, limits())
    answers = await asyncio.gather(*submit(batcher, "a", "b"), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["2 items got 1 answers"] * 2


async def test_the_item_of_a_cancelled_caller_is_dropped(upper):
    batcher = MicroBatcher(upper, limits())
    upper.gate.clear()
    (first,) = submit(batcher, "a")
    await until(lambda: upper.batches)
    gone, stays = submit(batcher, "gone", "stays")
    await asyncio.sleep(0)
    gone.cancel()
    upper.gate.set()
    assert await asyncio.gather(first, stays) == ["A", "STAYS"]
    assert upper.batches == [["a"], ["stays"]]
    assert gone.cancelled()


async def test_a_caller_cancelled_during_the_call_does_not_disturb_the_others(upper):
    batcher = MicroBatcher(upper, limits())
    upper.gate.clear()
    gone, stays = submit(batcher, "gone", "stays")
    await until(lambda: upper.batches)
    gone.cancel()
    await asyncio.sleep(0)
    upper.gate.set()
    assert await stays == "STAYS"


async def test_callers_wait_when_the_queue_is_full(upper):
    batcher = MicroBatcher(upper, limits(items_max=2, queued_max=4))
    upper.gate.clear()
    tasks = submit(batcher, *"abcdefgh")
    await until(lambda: upper.batches)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(batcher._waiting) == 2  # two under way, two queued, four not let in
    upper.gate.set()
    assert await asyncio.gather(*tasks) == list("ABCDEFGH")


async def test_cancelled_callers_make_room_while_a_call_hangs(upper):
    batcher = MicroBatcher(upper, limits(items_max=1, queued_max=2))
    upper.gate.clear()
    (first,) = submit(batcher, "a")
    await until(lambda: upper.batches)
    for _ in range(100):
        (gone,) = submit(batcher, "gone")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
    assert batcher._waiting == {}
    upper.gate.set()
    assert await first == "A"
    assert await batcher.submit("b") == "B"


async def test_closing_flushes_what_is_queued_and_takes_no_more(upper):
    batcher = MicroBatcher(upper, limits(items_max=2, age_max_ms=HOUR_MS))
    tasks = submit(batcher, "a", "b", "c")
    await until(lambda: upper.batches)
    await batcher.close()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    with pytest.raises(BatcherClosed):
        await batcher.submit("d")
    await batcher.close()


async def test_a_batcher_never_used_closes(upper):
    await MicroBatcher(upper, limits()).close()


async def test_callers_still_waiting_for_room_are_told_of_the_close(upper):
    batcher = MicroBatcher(upper, limits(items_max=1, queued_max=1))
    upper.gate.clear()
    let_in, outside = submit(batcher, "a", "b")
    await until(lambda: upper.batches)
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    upper.gate.set()
    await closing
    assert await let_in == "A"
    with pytest.raises(BatcherClosed):
        await outside


async def test_callers_are_told_when_the_batcher_is_cancelled(upper):
    batcher = MicroBatcher(upper, limits(items_max=1))
    upper.gate.clear()
    under_way, queued = submit(batcher, "a", "b")
    await until(lambda: upper.batches)
    batcher._flusher.cancel()
    answers = await asyncio.gather(under_way, queued, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BatcherClosed, BatcherClosed]


async def test_the_call_does_not_inherit_the_context_of_the_first_caller():
    instance = ContextVar("instance", default="none")

    async def call(words):
        return [instance.get() for _ in words]

    instance.set("the first caller's")
    assert await MicroBatcher(call, limits()).submit("a") == "none"


async def test_order_of_submission_is_the_order_of_items(upper):
    batcher = MicroBatcher(upper, limits(items_max=7))
    words = [f"w{number}" for number in range(50)]
    assert await asyncio.gather(*submit(batcher, *words)) == [word.upper() for word in words]
    assert [word for batch in upper.batches for word in batch] == words


def test_limits_that_make_no_sense_are_refused():
    for wrong in ({"items_max": 0}, {"bytes_max": 0}, {"queued_max": 0}, {"age_max_ms": -1}):
        with pytest.raises(ValueError, match="limits must be positive"):
            limits(**wrong)
