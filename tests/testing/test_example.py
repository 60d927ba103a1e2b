"""How to test a workflow: the example that the documentation links to."""

from dataclasses import dataclass, field

from stepwell.streams import NonRetryableError, Step, StepError, Workflow, WorkflowEvent
from stepwell.streams.testing import WorkflowTest, crash_everywhere


@dataclass
class Mailbox:
    """What the workflow reaches the outside world through; here it only remembers."""

    sent: list[str] = field(default_factory=list)

    async def send(self, to: str, text: str) -> str:
        self.sent.append(f"{to}: {text}")
        return f"mail-{len(self.sent)}"


class Onboarding(Workflow):
    """Welcomes a user, and asks a week later how it goes unless an answer has come."""

    env: Mailbox

    async def run(self, event: WorkflowEvent[str], step: Step) -> str:
        await step.do("welcome", self.env.send, event.payload, "welcome")
        await step.sleep("a week", "7 days")
        try:
            await step.do("ask", self.env.send, event.payload, "how is it going?")
        except StepError:
            return "unreachable"
        answer = await step.wait_for_event("answer", type="answer", timeout="30 days")
        return str(answer.payload)


async def test_a_week_passes_in_no_time():
    mailbox = Mailbox()
    async with WorkflowTest(Onboarding, env=mailbox) as test:
        handle = await test.start(Onboarding, "ada")
        await handle.wait_for_status("waiting")
        assert mailbox.sent == ["ada: welcome"]
        await test.advance("7 days")
        assert mailbox.sent == ["ada: welcome", "ada: how is it going?"]
        await handle.send_event("answer", "fine")
        assert await handle.result() == "fine"


async def test_a_step_that_fails_for_good():
    async with WorkflowTest(Onboarding, env=Mailbox()) as test:
        test.mock_step_error("ask", NonRetryableError("no such user"))
        handle = await test.start(Onboarding, "ada")
        assert await handle.result() == "unreachable"
        assert [step.name for step in handle.steps if step.error] == ["ask"]


async def test_it_ends_the_same_wherever_the_worker_dies():
    async def scenario(test: WorkflowTest) -> str:
        test.mock_event("answer", "fine")
        handle = await test.start(Onboarding, "ada")
        return str(await handle.result())

    assert await crash_everywhere(lambda: WorkflowTest(Onboarding, env=Mailbox()), scenario)
