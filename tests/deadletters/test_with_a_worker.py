"""From a record that fails to one that is retried, with a real worker on a real log."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.deadletters.service import (
    discard_dead_letters,
    list_dead_letters,
    retry_dead_letters,
    show_dead_letter,
)
from stepwell.streams.errors import LetterNotFound
from stepwell.streams.kafka.errors import DeliveryFailed
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.kafka.records import open_reader
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.views import LetterQuery
from tests.deadletters.conftest import Order

pytestmark = pytest.mark.slow


def nobody(_outcome):
    """Where nobody listens."""


async def test_what_failed_is_retried_when_its_cause_is_mended(shop):
    async with asyncio.timeout(20), shop.worker():
        offset = await shop.publish(b"{}", stepwell_x=b"theirs", note=None)
        await shop.until_letters(1)
        (letter,) = await list_dead_letters(shop.settings, LetterQuery())
        assert (letter.reason, letter.exception, letter.workflow) == (
            "trigger",
            "KeyError",
            "order",
        )
        assert (letter.topic, letter.partition, letter.offset) == (shop.topics.events, 1, offset)

        Order.mended = True
        at = LetterId.parse(letter.letter)
        (outcome,) = await retry_dead_letters(shop.settings, [at], nobody, "mended")
        assert outcome.done
        await shop.until_complete(1)

    *_, again = await shop.records(shop.topics.events)
    assert (again.partition, again.key, again.value) == (1, b"order-7", b"{}")
    headers = dict(again.headers)
    assert (headers["ce_id"], headers["note"]) == (b"e-1", None)
    assert await list_dead_letters(shop.settings, LetterQuery()) == []
    content = await show_dead_letter(shop.settings, at)
    assert (content.letter.state, content.letter.note) == ("retried", "mended")


async def test_a_record_that_fails_again_says_how_often_and_why_at_first(shop):
    async with asyncio.timeout(20), shop.worker():
        await shop.publish(b"{}")
        await shop.until_letters(1)
        await retry_dead_letters(shop.settings, [LetterId(1, 0)], nobody)
        await shop.until_letters(3)  # the letter, its mark, the next letter
    newest, oldest = await list_dead_letters(shop.settings, LetterQuery(resolved_too=True))
    assert (newest.attempts, newest.state, newest.first_reason) == (2, "open", "trigger")
    assert (oldest.attempts, oldest.state) == (1, "retried")
    assert newest.first_failed_ms == oldest.failed_ms


async def test_letters_without_key_and_with_all_bytes_are_found_and_discarded(shop):
    async with asyncio.timeout(20), shop.worker():
        await shop.producer.send_and_wait(shop.topics.events, bytes(range(256)), partition=0)
        await shop.until_letters(1)
    content = await show_dead_letter(shop.settings, LetterId(0, 0))
    assert (content.raw_key, content.raw_value) == (None, bytes(range(256)))
    await discard_dead_letters(shop.settings, [LetterId(0, 0)], nobody)
    assert await list_dead_letters(shop.settings, LetterQuery()) == []
    for at in (LetterId(0, 9), LetterId(7, 0)):
        with pytest.raises(LetterNotFound):
            await show_dead_letter(shop.settings, at)


async def test_a_letter_beyond_its_retention_is_gone(shop):
    async with asyncio.timeout(20), shop.worker():
        for number in range(3):
            await shop.publish(b"{}", id_=f"e-{number}")
        await shop.until_letters(3)
    letters = TopicPartition(shop.topics.dead_letters, 1)
    async with shop.admin() as admin:
        await admin.delete_records({letters: RecordsToDelete(2)})
    assert [each.letter for each in await list_dead_letters(shop.settings, LetterQuery())] == [
        "1:2"
    ]
    async with open_reader(shop.settings.kafka.bootstrap, letters.topic) as read:
        found = [await read(Position(1, offset)) for offset in range(4)]
    assert [one and one.offset for one in found] == [None, None, 2, None]


async def test_f37_without_its_dead_letter_nothing_is_acknowledged(shop):
    async with asyncio.timeout(30):
        async with shop.worker(delivery_timeout_ms=400) as running:
            async with shop.admin() as admin:
                await admin.delete_topics([shop.topics.dead_letters])
            await shop.publish(b"not JSON")
            with pytest.raises(DeliveryFailed, match="dead-letters"):
                await running
        assert await shop.committed() == 0
        await ensure_topics(shop.settings)
        async with shop.worker():
            await shop.publish(b'{"total": 5}', id_="e-2")
            await shop.until_complete(1)
    (letter,) = await shop.records(shop.topics.dead_letters)
    assert letter.value == b"not JSON"
