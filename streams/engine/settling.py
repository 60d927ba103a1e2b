"""How a record ends a call: the value or the error that workflow code gets."""

from datetime import UTC, datetime
from typing import Any

from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import ChildReported, StepFailed, StepSucceeded
from stepwell.streams.engine.calls import BodyCall, Call, ChildCall, WaitCall
from stepwell.streams.engine.errors import ChildError, EventTimeout, StepError
from stepwell.streams.engine.typed import WrongShape, result_decoder
from stepwell.streams.engine.workflow import ReceivedEvent, StreamResult


def settle_step(call: BodyCall, record: StepSucceeded | StepFailed) -> None:
    """A body ended for good."""
    if isinstance(record, StepFailed):
        _raise(call, StepError(record.step, record.error.name, record.error.message))
    elif is_stream(record.result):
        _give(call, StreamResult(tuple(call.chunks)))
    else:
        try:
            _give(call, result_decoder(call.function)(record.result))
        except WrongShape as error:
            _raise(call, StepError(record.step, "WrongShape", str(error)))


def settle_sleep(call: Call) -> None:
    """A sleep is over."""
    _give(call, None)


def settle_event(call: WaitCall, event: EventReceived) -> None:
    """A wait got its event."""
    at = datetime.fromtimestamp(event.at_ms / 1000, tz=UTC)
    _give(call, ReceivedEvent(event.type, event.payload, at))


def settle_timeout(call: WaitCall) -> None:
    """A wait got none in time."""
    _raise(call, EventTimeout(call.key.name, call.event_type, call.timeout_ms))


def settle_child(call: ChildCall, record: ChildReported) -> None:
    """A child ended, or exists."""
    if record.status == "created":
        _give(call, record.child)
    elif record.status != "complete":
        name = record.error.name if record.error else record.status
        message = record.error.message if record.error else f"the child is {record.status}"
        _raise(call, ChildError(call.key.name, record.child, record.status, (name, message)))
    else:
        try:
            _give(call, call.decode(record.output))
        except WrongShape as error:
            _raise(call, StepError(record.step, "WrongShape", str(error)))


STREAM_TAG = "$stream"


def is_stream(result: Any) -> bool:
    """Whether a recorded result stands for the chunks before it."""
    return isinstance(result, dict) and result.keys() == {STREAM_TAG}


def _give(call: Call, value: Any) -> None:
    if not call.future.done():
        call.future.set_result(value)


def _raise(call: Call, error: Exception) -> None:
    if not call.future.done():
        call.future.set_exception(error)
