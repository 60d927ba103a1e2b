"""Welcome a new user, and write again a week later: what is written depends on what they did.

send-welcome -> sleep 7 days -> look-at-activity -> ask-for-feedback, if they are active
                                                 -> send-tips -> sleep 7 days -> look-at-activity
                                                    -> offer-help, if they still are not

One instance sleeps for each user, for days, across every restart and deploy in between.
"""

from dataclasses import dataclass

from stepwell.streams.bindings.database import Database
from stepwell.streams.bindings.notifier import Notifier
from stepwell.streams.engine.triggers import on_event
from stepwell.streams.engine.workflow import Step, StepContext, Workflow, WorkflowEvent

TABLES = """
CREATE TABLE IF NOT EXISTS logins (user_id TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unsubscribed (user_id TEXT PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The parameters, and the data of the event `com.example.user.signed-up`."""

    user_id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Activity:
    """What a user did so far."""

    logins: int
    unsubscribed: bool


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    database: Database
    notifier: Notifier


class UserLifecycle(Workflow, name="user-lifecycle"):
    """The first two weeks of one user."""

    triggers = (on_event("com.example.user.signed-up"),)
    env: Bindings

    async def run(self, event: WorkflowEvent[SignedUp], step: Step) -> str:
        """Stay with one user; how that ended."""
        user = event.payload
        await step.do("send-welcome", self.send, user, f"Welcome, {user.name}!")
        await step.sleep("first week", "7 days")
        activity = await step.do("look-at-activity", self.look, user.user_id)
        if activity.unsubscribed:
            return "unsubscribed"
        if activity.logins:
            await step.do("ask-for-feedback", self.send, user, "How do you like it so far?")
            return "active"
        await step.do("send-tips", self.send, user, "Three ways to begin")
        await step.sleep("second week", "7 days")
        activity = await step.do("look-at-activity", self.look, user.user_id)
        if activity.logins or activity.unsubscribed:
            return "active" if activity.logins else "unsubscribed"
        await step.do("offer-help", self.send, user, "Shall we set it up together?")
        return "inactive"

    async def look(self, user_id: str) -> Activity:
        """What the user did so far."""
        (row,) = await self.env.database.query(
            "SELECT (SELECT count(*) FROM logins WHERE user_id = ?1) AS logins,"
            " EXISTS (SELECT 1 FROM unsubscribed WHERE user_id = ?1) AS unsubscribed",
            user_id,
        )
        return Activity(int(row["logins"] or 0), bool(row["unsubscribed"]))

    async def send(self, user: SignedUp, text: str, context: StepContext) -> None:
        """Write to the user; the key keeps a second attempt from being a second message."""
        await self.env.notifier.send(text, to=user.email, key=context.idempotency_key)
