"""Ask somebody for a decision, their manager when none comes, and decide without them in the end.

ask-approver -> wait 3 days -> ask-manager -> wait 2 days -> tell-requester

The decision is an event, which wakes the instance at once, however long the wait still is:

    stepwell instances send-event ID --type decision --payload '{"approved": true, "by": "grace"}'
"""

from dataclasses import dataclass

from stepwell.streams.bindings.notifier import Notifier
from stepwell.streams.engine.durations import Duration
from stepwell.streams.engine.errors import EventTimeout
from stepwell.streams.engine.workflow import Step, StepContext, Workflow, WorkflowEvent


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters: what is to be decided, and who is asked."""

    title: str
    requester: str
    approver: str
    manager: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The output."""

    approved: bool
    by: str


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    notifier: Notifier


class Approval(Workflow, name="approval"):
    """One request, from the question to the answer."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Request], step: Step) -> Decision:
        """Carry one request to its decision."""
        request = event.payload
        question = f"{request.requester} asks: {request.title}. Approve?"
        await step.do("ask-approver", self.send, request.approver, question)
        decision = await self.decision(step, within="3 days")
        if decision is None:
            await step.do("ask-manager", self.send, request.manager, f"Overdue: {question}")
            decision = await self.decision(step, within="2 days")
        if decision is None:
            decision = Decision(approved=False, by="nobody")
        answer = "approved" if decision.approved else "rejected"
        text = f"{request.title}: {answer} by {decision.by}"
        await step.do("tell-requester", self.send, request.requester, text)
        return decision

    async def decision(self, step: Step, *, within: Duration) -> Decision | None:
        """What was decided; None when nobody did in time."""
        try:
            received = await step.wait_for_event("decision", type="decision", timeout=within)
        except EventTimeout:
            return None
        said = received.payload if isinstance(received.payload, dict) else {}
        return Decision(said.get("approved") is True, str(said.get("by", "somebody")))

    async def send(self, to: str, text: str, context: StepContext) -> None:
        """Tell somebody; the key keeps a second attempt from being a second message."""
        await self.env.notifier.send(text, to=to, key=context.idempotency_key)
