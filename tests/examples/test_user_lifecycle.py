"""The first two weeks of a user, told by what they did in them."""

import pytest

from stepwell.streams.examples.offline import for_user_lifecycle
from stepwell.streams.examples.user_lifecycle import Bindings, SignedUp, UserLifecycle
from stepwell.streams.testing import WorkflowTest

ADA = SignedUp("u1", "Ada", "ada@example.com")
WELCOME, TIPS, HELP = "Welcome, Ada!", "Three ways to begin", "Shall we set it up together?"


@pytest.fixture
def world() -> Bindings:
    return for_user_lifecycle()


async def log_in(world: Bindings) -> None:
    await world.database.query("INSERT INTO logins VALUES ('u1', '2026-01-02')")


async def test_nothing_is_sent_in_the_first_week(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_status("waiting")
        await test.advance("6 days")
        assert handle.status == "waiting"
        assert world.notifier.texts == [WELCOME]


async def test_who_has_logged_in_is_asked_for_feedback(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_status("waiting")
        await log_in(world)
        assert await handle.result() == "active"
    assert world.notifier.texts == [WELCOME, "How do you like it so far?"]


async def test_who_has_not_gets_tips_and_then_an_offer(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_step_result("send-tips")
        assert world.notifier.texts == [WELCOME, TIPS]
        assert await handle.result() == "inactive"
    assert world.notifier.texts == [WELCOME, TIPS, HELP]


async def test_tips_that_worked_are_the_last_message(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_step_result("send-tips")
        await log_in(world)
        assert await handle.result() == "active"
    assert world.notifier.texts == [WELCOME, TIPS]


async def test_who_unsubscribes_is_left_alone(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_status("waiting")
        await world.database.query("INSERT INTO unsubscribed VALUES ('u1')")
        assert await handle.result() == "unsubscribed"
    assert world.notifier.texts == [WELCOME]


async def test_a_crash_during_the_week_welcomes_nobody_twice(world: Bindings):
    async with WorkflowTest(UserLifecycle, env=world) as test:
        handle = await test.start(UserLifecycle, ADA)
        await handle.wait_for_status("waiting")
        await test.advance("3 days")
        test.crash()
        await test.advance("4 days")
    assert world.notifier.texts == [WELCOME, TIPS]
