"""What there is to look at: instances in every state, letters, documents; some of it hostile."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.browser.hostile import TEXTS, TOGETHER
from tests.browser.stack import Stack


@dataclass(frozen=True, slots=True)
class Seeded:
    """Ids, by what they show."""

    complete: str
    waiting: str
    errored: str
    retrying: str
    sleeping: str
    fan: str
    hostile: str
    letter: str
    replay: str


def seed(stack: Stack) -> Seeded:
    """Fill a deployment; returns when everything has come to rest."""
    created = {
        "complete": stack.create("greet", {"texts": TEXTS, TOGETHER[:200]: "as a key"}),
        "waiting": stack.create("order", {"id": 7}),
        "errored": stack.create("failing", TOGETHER),
        "retrying": stack.create("retrying"),
        "sleeping": stack.create("nap"),
        "fan": stack.create("fan", 3),
        "hostile": stack.create("odd", TEXTS[0] + TEXTS[2]),
    }
    documents(stack, TEXTS)
    stack.until("greet", created["complete"], "complete")
    stack.until("order", created["waiting"], "waiting")
    stack.until("failing", created["errored"], "errored")
    stack.until("nap", created["sleeping"], "waiting")
    stack.until("fan", created["fan"], "complete")
    stack.until("odd", created["hostile"], "errored")
    return Seeded(**created, letter=letter(stack, TOGETHER), replay=verified(stack))


def letter(stack: Stack, text: str, *, subject: str = "") -> str:
    """A dead letter of an event that has this text everywhere; its id."""
    before = {each["letter"] for each in stack.get("/api/v1/dead-letters")[1]}
    about = {"subject": subject or text, "data": {"why": text}}
    stack.publish({"id": uuid.uuid4().hex, "type": "test.counted", **about})
    found = stack.until_answer("/api/v1/dead-letters", lambda them: len(them) > len(before))
    (new,) = {each["letter"] for each in found} - before
    return str(new)


def documents(stack: Stack, texts: tuple[str, ...]) -> None:
    """Searchable issues with these texts as titles, bodies and labels."""
    issues: list[dict[str, Any]] = [
        {"number": number, "title": text, "body": f"{text} login", "labels": [{"name": text[:40]}]}
        for number, text in enumerate(texts, 1)
    ]
    stack.webhook(*issues)
    complete = {"workflow": "embed-content", "status": "complete", "limit": "500"}
    query = "&".join(f"{name}={value}" for name, value in complete.items())
    stack.until_answer(
        f"/api/v1/instances?{query}", lambda page: len(page["instances"]) >= len(issues)
    )


def verified(stack: Stack) -> str:
    """A replay that found a difference; its id."""
    stack.started("drift", 1, until="complete")
    topic = f"{stack.deployment.environ['STEPWELL_KAFKA_PREFIX']}.journal"
    ask = {"mode": "verify", "start": "earliest", "topics": [topic], "workflow": "drift"}
    status, answer = stack.post("/api/v1/replays", ask | {"execute": True})
    assert status == 202, answer
    place = f"/api/v1/replays/{answer['id']}"
    stack.until_answer(place, lambda found: found["status"] in ("complete", "errored"))
    return str(answer["id"])
