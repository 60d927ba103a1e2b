"""A request, and whoever answers it."""

from datetime import timedelta

from stepwell.streams.examples.approval import Approval, Decision, Request
from stepwell.streams.examples.offline import for_approval
from stepwell.streams.testing import WorkflowTest

OVEN = Request("A second oven", requester="ada", approver="grace", manager="alan")


async def test_the_approver_says_yes():
    world = for_approval()
    async with WorkflowTest(Approval, env=world) as test:
        handle = await test.start(Approval, OVEN)
        await handle.wait_for_status("waiting")
        await handle.send_event("decision", {"approved": True, "by": "grace"})
        assert await handle.result() == Decision(approved=True, by="grace")
    assert world.notifier.texts == [
        "ada asks: A second oven. Approve?",
        "A second oven: approved by grace",
    ]


async def test_after_three_days_the_manager_is_asked():
    world = for_approval()
    async with WorkflowTest(Approval, env=world) as test:
        handle = await test.start(Approval, OVEN)
        await handle.wait_for_status("waiting")
        await test.advance("2 days")
        assert len(world.notifier.texts) == 1
        await test.advance("1 day")
        assert "Overdue: ada asks: A second oven. Approve?" in world.notifier.texts
        await handle.send_event("decision", {"approved": False, "by": "alan"})
        assert await handle.result() == Decision(approved=False, by="alan")


async def test_when_nobody_answers_it_is_rejected():
    world = for_approval()
    async with WorkflowTest(Approval, env=world) as test:
        handle = await test.start(Approval, OVEN)
        began = test.now
        assert await handle.result() == Decision(approved=False, by="nobody")
        assert test.now - began == timedelta(days=5)
    assert [to for to, _ in world.notifier.messages.values()] == ["grace", "alan", "ada"]


async def test_an_answer_that_comes_before_it_is_waited_for_counts():
    async with WorkflowTest(Approval, env=for_approval()) as test:
        handle = await test.start(Approval, OVEN)
        await handle.send_event("decision", {"approved": True, "by": "grace"})
        assert await handle.result() == Decision(approved=True, by="grace")


async def test_an_answer_that_says_nothing_is_no_approval():
    async with WorkflowTest(Approval, env=for_approval()) as test:
        handle = await test.start(Approval, OVEN)
        await handle.wait_for_status("waiting")
        await handle.send_event("decision", "sure!")
        assert await handle.result() == Decision(approved=False, by="somebody")


async def test_a_crash_in_the_middle_of_the_wait_asks_nobody_twice():
    world = for_approval()
    async with WorkflowTest(Approval, env=world) as test:
        handle = await test.start(Approval, OVEN)
        await handle.wait_for_status("waiting")
        test.crash()
        await handle.send_event("decision", {"approved": True, "by": "grace"})
        await handle.result()
    assert len(world.notifier.texts) == 2
