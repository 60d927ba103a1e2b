"""One instance, as a test holds it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stepwell.schemas.commands import StepKind, StepRef
from stepwell.schemas.events import Json
from stepwell.schemas.journal import InstanceKey, StepFailed, StreamChunk
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.deliveries import step_key
from stepwell.streams.engine.errors import StepError
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.settling import is_stream
from stepwell.streams.engine.state import TERMINAL, Status
from stepwell.streams.engine.typed import output_decoder
from stepwell.streams.engine.workflow import StreamResult
from stepwell.streams.errors import InstanceNotFound
from stepwell.streams.testing.errors import DidNotComplete, Unreachable
from stepwell.streams.testing.introspection import Introspection
from stepwell.streams.testing.mocks import Mocks
from stepwell.streams.testing.world import World
from stepwell.streams.views import (
    REDACTED,
    EventView,
    InstanceDetails,
    Receipt,
    RollbackView,
    StepView,
)

_OPEN = frozenset({"running", "retrying", "sleeping", "waiting"})


class Handle(Introspection):
    """An instance: what is known of it, what can be asked of it, and what it can be waited for.

    Commands take effect at once or raise `InstanceError`; what they set off happens while the test
    waits for something.
    """

    def __init__(self, world: World, key: InstanceKey, horizon: Callable[[], int]) -> None:
        self._world = world
        self._horizon = horizon
        self.key = key

    def __repr__(self) -> str:
        return f"<{self._words()}>"

    @property
    def id(self) -> str:
        """The id of the instance."""
        return self.key.instance

    def mock_event(self, event_type: str, payload: Json = None) -> None:
        """The instance is sent this event now, and again in every later run."""
        super().mock_event(event_type, payload)
        self._world.send_mocked_events(self.key)

    # --- what is known of it --------------------------------------------------------------------

    @property
    def details(self) -> InstanceDetails:
        """Everything that a reader of the journal knows of it; raises `InstanceNotFound`."""
        for details in self._world.journal.ledger.details(self.key.workflow, self.key.instance):
            return details
        raise InstanceNotFound(f"there is no instance {self.key}")

    @property
    def status(self) -> str:
        """Its status; raises `InstanceNotFound`."""
        return self._status() or self.details.summary.status

    @property
    def output(self) -> Json:
        """What it returned, as it is stored; None before that."""
        return self.details.output

    @property
    def error(self) -> ErrorInfo | None:
        """What it raised, if it is errored."""
        return self.details.error

    @property
    def rollback(self) -> RollbackView | None:
        """How its rollback ended, if it had one."""
        return self.details.rollback

    @property
    def steps(self) -> tuple[StepView, ...]:
        """The steps of its present run, in the order in which they were first recorded."""
        return self.details.steps

    @property
    def events(self) -> tuple[EventView, ...]:
        """The events that it was sent in its present run."""
        return self.details.events

    @property
    def children(self) -> tuple["Handle", ...]:
        """The instances that its present run has started."""
        keys = (InstanceKey.decode(child.encode()) for child in self.details.children)
        return tuple(Handle(self._world, key, self._horizon) for key in keys)

    def history(self) -> bytes:
        """Its present run as one line of JSON, for `check_history` and `stepwell check`."""
        recording = self._world.journal.ledger.recording(self.key)
        if recording is None:
            raise InstanceNotFound(f"there is no instance {self.key}")
        return recording.encode()

    # --- what can be asked of it ----------------------------------------------------------------

    async def send_event(
        self, event_type: str, payload: Json = None, *, event_id: str = ""
    ) -> Receipt:
        """Send an event; a second one with the same `event_id` has no effect."""
        control = self._world.control
        return await control.send_event(self.key, event_type, payload, event_id=event_id)

    async def pause(self) -> Receipt:
        """Start no more steps, and pause when those that run have ended."""
        return await self._world.control.pause(self.key)

    async def resume(self) -> Receipt:
        """Go on after a pause."""
        return await self._world.control.resume(self.key)

    async def cancel(self, reason: str = "") -> Receipt:
        """Raise `asyncio.CancelledError` in the workflow."""
        return await self._world.control.cancel(self.key, reason)

    async def terminate(self, *, rollback: bool = False, reason: str = "") -> Receipt:
        """End it now, or after its rollback."""
        return await self._world.control.terminate(self.key, rollback=rollback, reason=reason)

    async def restart(self, from_step: str | StepRef | None = None) -> Receipt:
        """Run it again, from the beginning or from the first step of this name."""
        step = StepRef(from_step) if isinstance(from_step, str) else from_step
        return await self._world.control.restart(self.key, step)

    async def delete(self) -> Receipt:
        """Stop it without a rollback and forget it."""
        return await self._world.control.delete(self.key)

    # --- what it can be waited for --------------------------------------------------------------

    async def result(self) -> Any:
        """Run until it ends; what it returned, in the type that its `run` is annotated with.

        Raises `DidNotComplete` when it ends otherwise, and `Unreachable` when it does not end.
        """
        await self._until(self._is_over, "its end")
        details = self.details
        if details.summary.status != Status.COMPLETE:
            raise DidNotComplete(str(self.key), details.summary.status, details.error)
        workflow = self._world.workflows.create(self.key.workflow)
        return output_decoder(type(workflow).run if workflow else None)(details.output)

    async def wait_for_status(self, status: str) -> None:
        """Run until it has this status; raises `Unreachable` when that cannot be any more."""
        wanted = Status(status)
        await self._until(lambda: self._status() == wanted or self._is_over(), repr(status))
        if self._status() != wanted:
            raise Unreachable(f"{self._words()}, and will not be {status!r} any more")

    async def wait_for_step_result(self, name: str, occurrence: int = 1) -> Any:
        """Run until this step has ended; its result as it is stored, or a `StreamResult`.

        Raises `StepError` when the step fails for good, and `Unreachable` when it does not end. The
        result of a sensitive step is redacted.
        """
        journal, step = self._world.journal, StepKey(name, occurrence, StepKind.DO)
        what = f"the end of step {step}"
        await self._until(
            lambda: journal.end_of(self.key, step) is not None or self._is_over(), what
        )
        end = journal.end_of(self.key, step)
        if end is None:
            raise Unreachable(f"{self._words()}: step {step} did not end in this run")
        if isinstance(end, StepFailed):
            raise StepError(name, end.error.name, end.error.message)
        if end.sensitive:
            return REDACTED
        return StreamResult(self._chunks(step)) if is_stream(end.result) else end.result

    # --- inside -------------------------------------------------------------------------------

    @property
    def _mocks(self) -> Mocks:
        return self._world.mocks_of(self.key)

    def _status(self) -> str | None:
        summary = self._world.journal.ledger.summary(self.key)
        return summary.status if summary else None

    def _is_over(self) -> bool:
        status = self._status()
        return status is None or status in TERMINAL

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        if not await self._world.drive(done, until_ms=self._horizon()):
            raise Unreachable(f"{self._words()}: nothing is left to happen before {what}")

    def _chunks(self, step: StepKey) -> tuple[Any, ...]:
        chunks: list[Any] = []
        for record in self._world.journal.history(self.key):
            if isinstance(record, StreamChunk) and step_key(record) == step:
                del chunks[record.index :]  # those of an attempt that was lost
                chunks.append(record.data)
        return tuple(chunks)

    def _words(self) -> str:
        """What it is doing."""
        if self._status() is None:
            return f"{self.key} does not exist"
        details = self.details
        summary = details.summary
        reason = summary.reason or summary.error
        waits = [_wait_words(step) for step in details.steps if step.status in _OPEN]
        return "".join(
            (
                f"{self.key} is {summary.status}",
                f" ({reason})" if reason else "",
                f", with {', '.join(waits)}" if waits else "",
            )
        )


def _wait_words(step: StepView) -> str:
    event = f" for event {step.event_type!r}" if step.event_type else ""
    until = ""
    if step.until_ms is not None:
        until = f" until {datetime.fromtimestamp(step.until_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
    return f"{step.kind} {step.name!r} {step.status}{event}{until}"
