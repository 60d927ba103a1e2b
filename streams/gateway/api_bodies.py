"""The JSON bodies that `/api/v1` takes. Fields that are not here are refused by their name."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, with_config

from stepwell.schemas.commands import (
    CancelRequested,
    Command,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepKind,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.events import Json
from stepwell.schemas.parts import Lane
from stepwell.streams.engine.limits import (
    EVENT_TYPE_LENGTH_MAX,
    INSTANCE_ID_LENGTH_MAX,
    STEP_NAME_LENGTH_MAX,
)
from stepwell.streams.engine.names import EVENT_TYPE, IDENTIFIER
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.control import NewInstance
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.gateway.requests import BATCH_MAX

UNSTAMPED = 0
"""Commands get their time when they are sent."""
REASON_LENGTH_MAX = 1000
EVENT_ID_LENGTH_MAX = 200
_FIELD_SHOWN = 80
_PROBLEMS_SHOWN = 5

Schema = dict[str, JsonValue]

_strict = with_config(ConfigDict(extra="forbid", strict=True))
_ID: Schema = {"pattern": f"^{IDENTIFIER}$", "maxLength": INSTANCE_ID_LENGTH_MAX}
_TYPE: Schema = {"pattern": f"^{EVENT_TYPE}$", "maxLength": EVENT_TYPE_LENGTH_MAX}
_LANE: Schema = {"enum": list(Lane)}
_KIND: Schema = {"enum": list(StepKind)}
_STEP: Schema = {"minLength": 1, "maxLength": STEP_NAME_LENGTH_MAX}
_NUMBER: Schema = {"minimum": 1}
# What follows is documented here and checked by `requests.py`, whose errors have codes.
NewId = Annotated[str, Field(json_schema_extra=_ID)]
EventType = Annotated[str, Field(json_schema_extra=_TYPE)]
LaneName = Annotated[str, Field(json_schema_extra=_LANE)]
StepName = Annotated[str, Field(json_schema_extra=_STEP)]
Number = Annotated[int, Field(json_schema_extra=_NUMBER)]
Kind = Annotated[str, Field(json_schema_extra=_KIND)]
Why = Annotated[str, Field(max_length=REASON_LENGTH_MAX)]
T = TypeVar("T")


@_strict
@dataclass(frozen=True, slots=True)
class Creation:
    """One instance; without an id it gets one."""

    id: NewId | None = None
    params: Json = None
    lane: LaneName = Lane.LIVE


@_strict
@dataclass(frozen=True, slots=True)
class BatchItem:
    """One instance of a batch; without an id it gets one."""

    id: NewId | None = None
    params: Json = None


@_strict
@dataclass(frozen=True, slots=True)
class Batch:
    """Instances of one workflow."""

    instances: Annotated[tuple[BatchItem, ...], Field(min_length=1, max_length=BATCH_MAX)]

    @property
    def wanted(self) -> list[NewInstance]:
        """As `Control` takes them."""
        return [NewInstance(item.params, item.id) for item in self.instances]


@_strict
@dataclass(frozen=True, slots=True)
class Event:
    """What an instance is sent; a second one with the same `event_id` has no effect."""

    type: EventType
    payload: Json = None
    event_id: Annotated[str, Field(max_length=EVENT_ID_LENGTH_MAX)] = ""


@_strict
@dataclass(frozen=True, slots=True)
class Reasoned:
    """To pause, to resume, to cancel."""

    reason: Why = ""


@_strict
@dataclass(frozen=True, slots=True)
class Termination:
    """To terminate, after the rollback of its steps or without one."""

    rollback: bool = False
    reason: Why = ""


@_strict
@dataclass(frozen=True, slots=True)
class FromStep:
    """The step that a restart begins with; what precedes it is kept."""

    name: StepName
    occurrence: Number = 1
    kind: Kind = StepKind.DO


@_strict
@dataclass(frozen=True, slots=True)
class Restart:
    """To restart, from the beginning or from a step."""

    from_step: FromStep | None = None
    reason: Why = ""


CREATION, BATCH, EVENT = TypeAdapter(Creation), TypeAdapter(Batch), TypeAdapter(Event)
_REASONED, _TERMINATION = TypeAdapter(Reasoned), TypeAdapter(Termination)
_RESTART = TypeAdapter(Restart)
_SIMPLE: dict[str, type[PauseRequested | ResumeRequested | CancelRequested]] = {
    "pause": PauseRequested,
    "resume": ResumeRequested,
    "cancel": CancelRequested,
}
ACTIONS: dict[str, type] = {
    **dict.fromkeys(_SIMPLE, Reasoned),
    "terminate": Termination,
    "restart": Restart,
}
"""What may be asked of an instance, and the body that says how."""


def command_of(action: str, raw: bytes) -> Command:
    """The command that one of `ACTIONS` and its body are."""
    if action == "terminate":
        end = parse(_TERMINATION, raw)
        return TerminateRequested(UNSTAMPED, end.rollback, end.reason)
    if action == "restart":
        again = parse(_RESTART, raw)
        step = again.from_step
        ref = StepRef(step.name, step.occurrence, step.kind) if step else None
        return RestartRequested(UNSTAMPED, ref, again.reason)
    return _SIMPLE[action](UNSTAMPED, parse(_REASONED, raw).reason)


def parse(shape: TypeAdapter[T], raw: bytes) -> T:
    """A body, where an empty one is one without fields; raises `Problem` 400, `InvalidRequest`."""
    try:
        return shape.validate_json(raw or b"{}")
    except ValidationError as error:
        if (first := error.errors()[0])["type"] == "json_invalid":
            raise Problem(HTTPStatus.BAD_REQUEST, Reason.JSON, first["msg"]) from None
        raise invalid(error) from None


def invalid(error: ValidationError) -> InvalidRequest:
    """What is wrong with which fields."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [_explain(each["loc"], each["type"], each["msg"]) for each in found]
    return InvalidRequest("; ".join(shown[:_PROBLEMS_SHOWN]))


def _explain(path: tuple[int | str, ...], kind: str, message: str) -> str:
    """Which field, and the rule that it breaks."""
    field = ".".join(str(part)[:_FIELD_SHOWN] for part in path) or "the body"
    if kind == "unexpected_keyword_argument":
        return f"{field}: there is no such field"
    if kind == "missing":
        return f"{field}: is required"
    if kind == "dataclass_type":
        return f"{field}: should be an object"
    return f"{field}: {message.removeprefix('Input ').removeprefix('String ')}"
