"""A pun on its way to its readers, or not."""

import json
from dataclasses import replace

import pytest

from stepwell.streams.bindings.database import Row
from stepwell.streams.bindings.language import LocalModel
from stepwell.streams.examples.offline import PUNS, LocalIndex, for_publish_pun
from stepwell.streams.examples.publish_pun import (
    Bindings,
    Preview,
    Published,
    PublishPun,
    Pun,
    Submitted,
    preview,
    similar_puns,
)
from stepwell.streams.testing import WorkflowTest

RUDE = 4


@pytest.fixture
def world() -> Bindings:
    return for_publish_pun()


async def publish(world: Bindings, pun_id: int) -> None:
    async with WorkflowTest(PublishPun, env=world) as test:
        handle = await test.start(PublishPun, Submitted(pun_id))
        await handle.result()


async def row(world: Bindings, pun_id: int) -> Row:
    (found,) = await world.database.query("SELECT * FROM puns WHERE id = ?", pun_id)
    return found


async def test_a_pun_is_published_with_its_categories(world: Bindings):
    async with WorkflowTest(PublishPun, env=world) as test:
        handle = await test.start(PublishPun, Submitted(1))
        assert await handle.result() == Published(1, ("baking",))
    published = await row(world, 1)
    assert (published["status"], published["categories"]) == ("published", "baking")
    assert await world.index.count() == 2


async def test_a_pun_that_is_refused_is_marked_and_not_tried_again(world: Bindings):
    async with WorkflowTest(PublishPun, env=world) as test:
        handle = await test.start(PublishPun, Submitted(RUDE))
        await handle.wait_for_status("errored")
        assert handle.error.name == "NonRetryableError"
        assert "pun 4 was rejected: rude" in handle.error.message
        assert [step.name for step in handle.steps] == ["load-pun", "moderate"]
    rejected = await row(world, RUDE)
    assert (rejected["status"], rejected["reason"]) == ("rejected", "rude")
    assert await world.index.count() == 0


async def test_a_moderator_who_talks_nonsense_is_asked_again(world: Bindings):
    answers = ["Fine by me!", json.dumps({"acceptable": True})]
    moderator = LocalModel(lambda _: answers.pop(0))
    await publish(replace(world, moderator=moderator), 1)
    assert answers == []


async def test_without_a_model_for_categories_it_has_none(world: Bindings):
    await publish(replace(world, categoriser=None), 1)
    published = await row(world, 1)
    assert (published["status"], published["categories"]) == ("published", "")


async def test_a_model_that_fails_costs_the_categories_not_the_pun(world: Bindings):
    async with WorkflowTest(PublishPun, env=world) as test:
        test.mock_step_error("categorise", RuntimeError("busy"))
        handle = await test.start(PublishPun, Submitted(1))
        assert await handle.result() == Published(1, ())


async def test_a_pun_that_does_not_exist(world: Bindings):
    async with WorkflowTest(PublishPun, env=world) as test:
        handle = await test.start(PublishPun, Submitted(99))
        await handle.wait_for_status("errored")
        assert "there is no pun 99" in handle.error.message


async def test_similar_puns_are_others_with_the_same_words(world: Bindings):
    for pun_id in (1, 2, 3):
        await publish(world, pun_id)
    assert isinstance(world.index, LocalIndex)
    pun = Pun(1, PUNS[0], "2026-01-01T00:00:00Z")
    hits = await similar_puns(pun, world.embedder, world.index)
    assert [hit.document.number for hit in hits] == [2, 3]


async def test_a_pun_that_is_being_typed_is_previewed_and_not_stored(world: Bindings):
    await publish(world, 1)
    assert isinstance(world.index, LocalIndex)
    before = await world.index.count()
    seen = await preview("the baker is baking dough", world.embedder, world.index)
    assert seen == Preview(similar=(PUNS[0],), categories=("baking",))
    assert await world.index.count() == before
