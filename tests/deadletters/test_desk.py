"""What an operator does with letters: each is open until it is retried or discarded."""

import orjson
import pytest

from stepwell.schemas.dead_letters import Failure, LetterId
from stepwell.streams import Workflow, Workflows, on_event
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.agents.route import Router
from stepwell.streams.deadletters.desk import ATTEMPTS_MAX, preview
from stepwell.streams.errors import BrokerUnavailable, LetterNotFound
from stepwell.streams.gateway.judging import Judge
from stepwell.streams.metrics import Metrics
from stepwell.streams.views import LetterQuery
from tests.deadletters.topic import CE, EVENTS, LETTERS, MemoryTopics, raw_of


def nobody(_outcome: object) -> None:
    """Where nobody listens."""


@pytest.fixture
def topics() -> MemoryTopics:
    return MemoryTopics()


async def states(topics: MemoryTopics) -> dict[str, str]:
    found = await topics.desk().select(LetterQuery(resolved_too=True))
    return {view.letter: view.state for view in found}


async def test_open_letters_are_listed_newest_first_and_by_reason_topic_and_time(topics) -> None:
    topics.fail(topics.event(partition=0))
    topics.now_ms = 2_000
    topics.fail(topics.event(partition=1), Failure("route", "trigger", "no total"))
    topics.fail(RawRecord("stepwell.journal", 2, 5, 1, b"order/one", b"x"))

    async def found(**query: object) -> list[str]:
        return [view.letter for view in await topics.desk().select(LetterQuery(**query))]

    assert await found() == ["2:0", "1:0", "0:0"]
    assert await found(reason="trigger") == ["1:0"]
    assert await found(topic="stepwell.journal") == ["2:0"]
    assert await found(since_ms=2_000) == ["2:0", "1:0"]
    assert await found(subject="order-7") == ["1:0", "0:0"]
    assert await found(reason="size") == []
    assert len(await topics.desk().select(LetterQuery(), limit=2)) == 2


async def test_a_letter_is_shown_with_its_headers_and_contents(topics) -> None:
    at = topics.fail(topics.event(b"\x00\xff"))
    content = await topics.desk().show(at)
    assert (content.raw_value, content.raw_key) == (b"\x00\xff", b"order-7")
    assert (content.value.encoding, content.value.shown) == ("hex", "00 ff")
    assert ("ce_type", "shop.order.placed") in content.headers
    with pytest.raises(LetterNotFound, match="no dead letter 3:7"):
        await topics.desk().show(LetterId(3, 7))


async def test_a_retried_record_goes_back_to_its_partition_as_it_was(topics) -> None:
    at = topics.fail(topics.event())
    (outcome,) = await topics.desk().retry([at], nobody, "mended")
    (record,) = topics.log(EVENTS, 3)
    assert (outcome.done, outcome.detail) == (True, "retried as stepwell.events 3:0")
    assert (record.key, record.value, record.headers[: len(CE)]) == (b"order-7", b"{", CE)
    assert dict(record.headers)["stepwell-attempts"] == b"1"
    (view,) = await topics.desk().select(LetterQuery(resolved_too=True))
    assert (view.state, view.retried_as, view.note) == ("retried", "3:0", "mended")
    assert await topics.desk().select(LetterQuery()) == []


async def test_a_letter_without_a_key_is_marked_too(topics) -> None:
    at = topics.fail(topics.event(key=None))
    await topics.desk().discard([at], nobody)
    mark = topics.log(LETTERS, 3)[-1]
    assert (mark.key, mark.value) == (None, b"")
    assert await states(topics) == {"3:0": "discarded"}


@pytest.mark.parametrize("verb", ["retry", "discard"])
async def test_what_is_retried_or_discarded_stays_so(topics, verb) -> None:
    at = topics.fail(topics.event())
    await topics.desk().discard([at], nobody)
    (outcome,) = await getattr(topics.desk(), verb)([at], nobody)
    assert (outcome.done, outcome.code) == (False, "dead_letter.refused")
    assert outcome.detail == "dead letter 3:0 was discarded before"
    assert topics.log(EVENTS, 3) == []


async def test_some_may_be_refused_and_the_others_are_done(topics) -> None:
    good = topics.fail(topics.event())
    heard = []
    outcomes = await topics.desk().retry([LetterId(9, 9), good, good], heard.append)
    assert [(each.letter, each.done) for each in outcomes] == [("9:9", False), ("3:0", True)]
    assert outcomes[0].code == "dead_letter.not_found"
    assert heard == outcomes


async def test_many_are_retried_and_all_are_marked(topics) -> None:
    letters = [topics.fail(topics.event(b"%d" % n, partition=n % 4)) for n in range(250)]
    outcomes = await topics.desk().retry(letters, nobody)
    assert [each.letter for each in outcomes] == [str(at) for at in letters]
    assert sum(len(topics.log(EVENTS, partition)) for partition in range(4)) == 250
    assert set((await states(topics)).values()) == {"retried"}


async def test_without_a_broker_no_more_are_begun_and_what_was_done_was_told(topics) -> None:
    letters = [topics.fail(topics.event(partition=n % 4)) for n in range(250)]
    topics.fails_after, heard = 20, []
    with pytest.raises(BrokerUnavailable):
        await topics.desk().discard(letters, heard.append)
    assert len(heard) == 20
    assert list((await states(topics)).values()).count("discarded") == 20


async def test_a_journal_record_is_not_retried(topics) -> None:
    at = topics.fail(RawRecord("stepwell.journal", 2, 5, 1, b"order/one", b"x"))
    (outcome,) = await topics.desk().retry([at], nobody)
    assert outcome.code == "dead_letter.refused"
    assert "only events can be retried" in outcome.detail
    assert topics.log("stepwell.journal", 2) == []


async def test_a_record_of_somebody_else_in_the_topic_is_shown_but_never_retried(topics) -> None:
    await topics.append(LETTERS, 0, b"k", b"v", (("stepwell-offset", b"3"),))
    assert await states(topics) == {"0:0": "open"}
    (outcome,) = await topics.desk().retry([LetterId(0, 0)], nobody)
    assert "nowhere we know" in outcome.detail


async def test_a_cut_record_is_not_retried_but_its_place_is_named(topics) -> None:
    at = topics.fail(topics.event(b"x" * 2_100_000))
    (outcome,) = await topics.desk().retry([at], nobody)
    assert "2100000 bytes" in outcome.detail
    assert "stepwell.events at 3:42" in outcome.detail


async def test_a_record_that_fails_again_and_again_is_not_retried_for_ever(topics) -> None:
    at, tries = topics.fail(topics.event()), 0
    while (await topics.desk().retry([at], nobody))[0].done:
        tries += 1
        at = topics.fail(raw_of(topics.log(EVENTS, 3)[-1]))
    (outcome,) = await topics.desk().retry([at], nobody)
    assert tries == ATTEMPTS_MAX - 1
    assert f"failed {ATTEMPTS_MAX} times" in outcome.detail


class Order(Workflow, name="order"):
    triggers = (on_event("shop.order.*"),)

    async def run(self, event, step): ...


async def test_dying_between_retry_and_mark_may_retry_twice_but_starts_one_instance(topics) -> None:
    at = topics.fail(topics.event(orjson.dumps({"total": 5})))
    topics.fails_after = 1  # the record goes back, then the broker is gone
    with pytest.raises(BrokerUnavailable):
        await topics.desk().retry([at], nobody)
    assert await states(topics) == {"3:0": "open"}
    topics.fails_after = None
    await topics.desk().retry([at], nobody)

    journal: list[tuple[bytes, bytes]] = []
    router = Router(
        Workflows([(Order, None)]),
        lambda key, value, _headers: journal.append((key, value)),
        lambda record, failure: pytest.fail(str(failure)),
        Metrics("test"),
        lambda: 1_000,
    )
    for record in topics.log(EVENTS, 3):
        router.handle(raw_of(record))
    judge = Judge()
    verdicts = [judge.take(0, at, *record).verdict for at, record in enumerate(journal)]
    assert verdicts == ["accepted", "duplicate-instance"]


async def test_a_mark_of_another_partition_does_not_count(topics) -> None:
    at = topics.fail(topics.event())
    await topics.desk().discard([at], nobody)
    mark = topics.log(LETTERS, 3).pop()
    await topics.append(LETTERS, 0, mark.key, mark.value, mark.headers)
    assert await states(topics) == {"3:0": "open"}


def test_previews_are_bounded_and_say_so() -> None:
    text, binary = preview(b"a" * 5_000), preview(b"\xff" * 5_000)
    assert (len(text.shown), text.is_whole, text.total_bytes) == (2048, False, 5_000)
    assert (binary.encoding, len(binary.shown), binary.is_whole) == ("hex", 512 * 3 - 1, False)
    assert preview("aü".encode(), 2).shown == "a"
    assert preview(None) is None


def test_text_with_control_characters_is_shown_in_hexadecimal() -> None:
    for raw, encoding in (
        (b"\x00\x00\x00\x00\x07avro", "hex"),
        (b"a\tb\r\nc", "text"),
        (b"", "text"),
    ):
        assert preview(raw).encoding == encoding
