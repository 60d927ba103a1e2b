"""What may be asked of instances: names, ids, types, sizes; checked before anything is written."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from stepwell.schemas.commands import Command, EventReceived, RestartRequested, StepKind
from stepwell.schemas.events import Json
from stepwell.schemas.values import NotSerialisable, dumps
from stepwell.streams.engine.errors import InvalidDefinition
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.names import (
    check_event_type,
    check_instance_id,
    check_step_name,
    check_workflow_name,
)
from stepwell.streams.errors import InvalidInstanceId, InvalidRequest

PARAMS_BYTES_MAX = EVENT_BYTES_MAX = RESULT_BYTES_MAX
BATCH_MAX = 100
LATEST = "latest"
"""Stands for the newest instance wherever an id is taken."""
ADDRESS_LENGTH_MAX = 271
"""Ids of instances that a schedule started are longer than those that people may choose."""
ADDRESS = r"[A-Za-z0-9_*][A-Za-z0-9_*/#,.: -]*"
_ADDRESS = re.compile(ADDRESS)
_SHOWN = 80

T = TypeVar("T")


def check_new_id(instance_id: str) -> str:
    """The id, if an instance may be created with it; raises `InvalidInstanceId`."""
    if instance_id == LATEST:
        raise InvalidInstanceId(f"{LATEST!r} means the newest instance: choose another id")
    try:
        return check_instance_id(instance_id)
    except InvalidDefinition as error:
        raise InvalidInstanceId(_shortened(error)) from None


def check_address(instance_id: str) -> str:
    """The id, if an instance can have it, by a schedule too; raises `InvalidInstanceId`."""
    if (
        not isinstance(instance_id, str)
        or len(instance_id) > ADDRESS_LENGTH_MAX
        or not _ADDRESS.fullmatch(instance_id)
    ):
        shown = repr(instance_id)[:_SHOWN]
        raise InvalidInstanceId(f"no instance has an id like {shown}")
    return instance_id


def check_workflow(name: str) -> str:
    """The name, if a workflow can have it; raises `InvalidRequest`."""
    return _checked(check_workflow_name, name)


def check_params(params: Json) -> None:
    """Raises `InvalidRequest` when they cannot be stored, or are too large."""
    _check_size("the parameters", params, PARAMS_BYTES_MAX)


def check_command(command: Command) -> None:
    """Raises `InvalidRequest` when a part of it breaks a rule."""
    match command:
        case EventReceived():
            _checked(check_event_type, command.type)
            _check_size("the payload", command.payload, EVENT_BYTES_MAX)
        case RestartRequested() if command.from_step is not None:
            step = command.from_step
            _checked(check_step_name, step.name)
            if step.kind not in list(StepKind) or step.occurrence < 1:
                raise InvalidRequest(
                    f"step {step.name!r}: its number is {step.occurrence}, its kind {step.kind!r}; "
                    f"numbers begin at 1, kinds are {', '.join(StepKind)}"
                )
        case _:
            pass


def check_batch(items: Sequence[T]) -> Sequence[T]:
    """Raises `InvalidRequest` unless there are 1 to 100 of them."""
    if not 1 <= len(items) <= BATCH_MAX:
        raise InvalidRequest(f"a batch has 1 to {BATCH_MAX} instances, not {len(items)}")
    return items


def _check_size(what: str, value: Json, bytes_max: int) -> None:
    try:
        size = len(dumps(value))
    except NotSerialisable as error:
        raise InvalidRequest(f"{what} cannot be stored: {error}") from None
    if size > bytes_max:
        raise InvalidRequest(
            f"{what} take {size} bytes, the limit is {bytes_max}: "
            "store the content elsewhere and pass a reference"
        )


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except InvalidDefinition as error:
        raise InvalidRequest(_shortened(error)) from None


def _shortened(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 4 * _SHOWN else f"{text[:_SHOWN]}…{text[-2 * _SHOWN :]}"
