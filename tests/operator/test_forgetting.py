"""Forgetting on a real log: with and without a worker, once and again."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stepwell.streams.deadletters.service import list_dead_letters
from stepwell.streams.errors import IndexUnavailable
from stepwell.streams.operator.forgetting.service import forget_subject, plan_forgetting
from stepwell.streams.operator.queries import list_instances
from stepwell.streams.views import LetterQuery

pytestmark = pytest.mark.slow  # a broker and a worker for each: seconds

SUBJECT = "order-7"


def nobody(_part):
    """Where nobody listens."""


async def test_without_a_worker_rows_stay_until_one_runs(shop):
    async with shop.worker():
        await shop.publish(b'{"total": 5}', SUBJECT)
        await shop.publish(b'{"total": 6}', "order-8", id_="e-2")
        await shop.publish(b"{}", SUBJECT, id_="e-3")
        await shop.until_complete(2)
        await shop.until_letters(1)

    forgotten = await forget_subject(shop.settings, SUBJECT, nobody, rows_timeout_ms=50)
    assert (len(forgotten.deleted), forgotten.rows_deleted) == (1, False)
    assert (forgotten.discarded, forgotten.documents) == (("1:0",), {})
    assert len(await list_instances(shop.settings)) == 1

    async with shop.worker():
        again = await forget_subject(shop.settings, SUBJECT, nobody)
        assert (again.deleted, again.discarded, again.rows_deleted) == ((), (), True)
    rows = {one.key: one.value for one in await shop.records(shop.topics.instances_changelog)}
    (key,) = (name.encode() for name in forgotten.deleted)
    assert rows[key] is None


async def test_a_dry_run_changes_nothing(shop):
    async with shop.worker():
        await shop.publish(b'{"total": 5}', SUBJECT)
        await shop.publish(b"{}", SUBJECT, id_="e-2")
        await shop.until_complete(1)
        await shop.until_letters(1)
        plan = await plan_forgetting(shop.settings, SUBJECT)
    assert (len(plan.instances), plan.letters, plan.touched) == (1, ("1:0",), ())
    assert {each.topic for each in plan.remains} >= {shop.topics.events, shop.topics.journal}
    assert len(await list_instances(shop.settings)) == 1
    assert len(await list_dead_letters(shop.settings, LetterQuery())) == 1


async def test_a_subject_that_there_is_not_is_forgotten_at_once(shop):
    plan = await plan_forgetting(shop.settings, "nobody")
    assert (plan.instances, plan.letters, plan.remains) == ((), (), ())
    forgotten = await forget_subject(shop.settings, "nobody", nobody)
    assert (forgotten.deleted, forgotten.rows_deleted) == ((), True)


async def test_without_an_index_what_was_done_is_said_and_the_rest_can_be_asked_again(shop):
    async with shop.worker():
        await shop.publish(b'{"total": 5}', SUBJECT)
        await shop.until_complete(1)
    in_the_way = Path(urlsplit(shop.settings.index.url).path).with_name("index.collections.db")
    in_the_way.mkdir()
    done: list[str] = []
    with pytest.raises(IndexUnavailable):
        await forget_subject(shop.settings, SUBJECT, done.append)
    assert done == ["1 instances deleted"]
    in_the_way.rmdir()
    again = await forget_subject(shop.settings, SUBJECT, nobody, rows_timeout_ms=50)
    assert again.rows_deleted is False
