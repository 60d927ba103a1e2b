"""Rules for names and ids, and the identity of a step: its name and how often it was asked for."""

import re
from typing import NamedTuple

from stepwell.schemas.commands import StepKind
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.limits import (
    EVENT_TYPE_LENGTH_MAX,
    INSTANCE_ID_LENGTH_MAX,
    STEP_NAME_LENGTH_MAX,
    WORKFLOW_NAME_LENGTH_MAX,
)

IDENTIFIER = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
"""Names of workflows and ids of instances, as a pattern."""
EVENT_TYPE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_IDENTIFIER = re.compile(IDENTIFIER)
_EVENT_TYPE = re.compile(EVENT_TYPE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class StepKey(NamedTuple):
    """A step of one run: the n-th time that `name` was asked for as this kind, counted from 1."""

    name: str
    occurrence: int
    kind: str = StepKind.DO

    def __str__(self) -> str:
        text = f"{self.name}-{self.occurrence}"
        return text if self.kind == StepKind.DO else f"{self.kind} {text}"


def check_workflow_name(name: str) -> str:
    """The name, if it may name a workflow; raises `InvalidDefinition`."""
    return _check_identifier("workflow name", name, WORKFLOW_NAME_LENGTH_MAX)


def check_instance_id(instance: str) -> str:
    """The id, if it may name an instance; raises `InvalidDefinition`."""
    return _check_identifier("instance id", instance, INSTANCE_ID_LENGTH_MAX)


def check_event_type(event_type: str) -> str:
    """The type, if an instance can be sent events of it; raises `InvalidDefinition`."""
    if (
        not isinstance(event_type, str)
        or not 0 < len(event_type) <= EVENT_TYPE_LENGTH_MAX
        or not _EVENT_TYPE.fullmatch(event_type)
    ):
        raise InvalidDefinition(
            f"event type {event_type!r} is not 1 to {EVENT_TYPE_LENGTH_MAX} letters, digits, '_', "
            "'-' or '.' that begin with a letter, a digit or '_'"
        )
    return event_type


def check_step_name(name: str) -> str:
    """The name, if it may name a step; raises `InvalidDefinition`."""
    if not isinstance(name, str) or not name or len(name) > STEP_NAME_LENGTH_MAX:
        raise InvalidDefinition(
            f"step name {name!r} is not text of 1 to {STEP_NAME_LENGTH_MAX} characters"
        )
    if _CONTROL.search(name):
        raise InvalidDefinition(f"step name {name!r} has control characters")
    return name


def default_workflow_name(class_name: str) -> str:
    """`EmbedIssue` becomes `embed-issue`."""
    return _HUMP.sub("-", class_name).lower()


def _check_identifier(what: str, text: str, length_max: int) -> str:
    if not isinstance(text, str) or len(text) > length_max or not _IDENTIFIER.fullmatch(text):
        raise InvalidDefinition(
            f"{what} {text!r} is not 1 to {length_max} letters, digits, '_' or '-' "
            "that begin with a letter, a digit or '_'"
        )
    return text
