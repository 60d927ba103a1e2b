"""Forms that tell an instance something: the same commands as the API, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from stepwell.schemas.commands import Command, DeleteRequested, EventReceived
from stepwell.streams.dashboard.said import Said
from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.api_bodies import EVENT, UNSTAMPED, command_of, parse
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.views import InstanceDetails, Receipt

REASON_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class Action:
    """One form of the instance page."""

    name: str
    label: str
    about: str
    is_danger: bool = False
    """It needs to be confirmed."""


PAUSE = Action("pause", "Pause", "No step starts any more; those that run end first.")
RESUME = Action("resume", "Resume", "It goes on where it stood.")
CANCEL = Action("cancel", "Cancel", "The workflow sees a cancellation and ends in its own way.")
EVENT_FORM = Action("send-event", "Send event", "For the wait that fits, now or later.")
RESTART = Action("restart", "Restart", "It runs again with the same parameters.")
TERMINATE = Action("terminate", "Terminate", "It ends now.", is_danger=True)
DELETE = Action("delete", "Delete", "It is stopped and forgotten; its id is free.", is_danger=True)
ACTIONS = (PAUSE, RESUME, EVENT_FORM, RESTART, CANCEL, TERMINATE, DELETE)
BY_NAME = {action.name: action for action in ACTIONS}
_PAUSED = frozenset({Status.PAUSED, Status.WAITING_FOR_PAUSE})


def actions_for(details: InstanceDetails) -> tuple[Action, ...]:
    """Those that make sense now."""
    status = Status(details.summary.status)
    found = [RESUME] if status in _PAUSED else []
    if not status.terminal:
        found += [PAUSE] if status not in _PAUSED else []
        found += [EVENT_FORM, RESTART, CANCEL, TERMINATE]
    else:
        found.append(RESTART)
    return (*found, DELETE)


def command_from(action: Action, given: Mapping[str, str]) -> Command:
    """What the fields of a form ask for; raises `InvalidRequest`."""
    if action.is_danger and given.get("confirm") != "yes":
        raise InvalidRequest(f"{action.label}: tick the box that confirms it")
    reason = given.get("reason", "").strip()
    try:
        if action is EVENT_FORM:
            return _event(given)
        if action is DELETE:
            if len(reason) > REASON_LENGTH_MAX:
                raise InvalidRequest(f"reason: at most {REASON_LENGTH_MAX} characters")
            return DeleteRequested(UNSTAMPED, reason)
        body: dict[str, object] = {"reason": reason}
        if action is TERMINATE:
            body["rollback"] = given.get("rollback") == "yes"
        if action is RESTART and given.get("from_step"):
            body["from_step"] = _step(given["from_step"])
        return command_of(action.name, orjson.dumps(body))
    except Problem as problem:
        raise InvalidRequest(problem.detail) from None


def said_of(action: Action, receipt: Receipt) -> Said:
    """What became of a command."""
    if not receipt.accepted:
        return Said("info", f"{action.label}: no effect.", receipt.message)
    status = f"It is {receipt.status} now." if receipt.status else "It is forgotten."
    place = f"Journal record {receipt.partition}:{receipt.offset}."
    return Said("good", f"{action.label}: accepted.", f"{status} {place}")


def _event(given: Mapping[str, str]) -> EventReceived:
    text = given.get("payload", "").strip()
    try:
        payload = orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"payload: not JSON: {error}") from None
    body = {"type": given.get("type", "").strip(), "payload": payload}
    event_id = given.get("event_id", "").strip()
    event = parse(EVENT, orjson.dumps(body | ({"event_id": event_id} if event_id else {})))
    return EventReceived(event.type, event.payload, UNSTAMPED, event.event_id)


def _step(text: str) -> dict[str, object]:
    """`kind/occurrence/name`, as the choices of the form have it."""
    kind, _, rest = text.partition("/")
    occurrence, _, name = rest.partition("/")
    if not (name and occurrence.isascii() and occurrence.isdecimal() and len(occurrence) < 7):
        raise InvalidRequest("from_step: choose one of the steps")
    return {"name": name, "occurrence": int(occurrence), "kind": kind}
