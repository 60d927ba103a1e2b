"""Asks things of instances: appends commands to the journal and tells what became of them.

The fold decides, in the order of the log; whoever reads the journal knows its verdict, so workers
need not be there.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.commands import (
    CancelRequested,
    Command,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.events import Json
from stepwell.schemas.journal import InstanceCreated, InstanceKey, InstanceRecord
from stepwell.schemas.parts import Lane, Retention
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.errors import (
    BrokerUnavailable,
    CannotReceive,
    CannotRestart,
    CannotTerminate,
    InstanceError,
    InstanceExists,
    InstanceNotFound,
    InvalidRequest,
)
from stepwell.streams.gateway import requests
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.spans import NO_TRACING, Tracing, headers_of
from stepwell.streams.views import InstanceSummary, Receipt

JUDGE_TIMEOUT_MS = 30_000


class Journal(Protocol):
    """Where commands go; `EventPublisher` on the journal topic is the real one."""

    async def append(self, record: EventRecord) -> Position:
        """Returns when the record is safe; raises `BrokerUnavailable` in time, `EventRejected`."""
        ...


class Judging(Protocol):
    """Reads the journal; `FoldedJournal` and the read model do."""

    async def rulings(self, positions: Sequence[Position]) -> Mapping[Position, Ruling]:
        """Wait until the commands that lie there were read, and tell what became of them."""
        ...

    async def at_rest(self, receipt: Receipt) -> InstanceSummary | None:
        """Wait until the instance of a receipt has ended or is paused; None: it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class NewInstance:
    """One instance of a batch; without an id it gets one."""

    params: Json = None
    instance_id: str | None = None


class Control:
    """Commands for the instances of one deployment. Failures are `InstanceError` with a code.

    After `BrokerUnavailable` a command may have been stored: ask again under the same instance or
    event id, or look at the instance.
    """

    def __init__(  # noqa: PLR0913 - all but two by name
        self,
        journal: Journal,
        judging: Judging,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        timeout_ms: int = JUDGE_TIMEOUT_MS,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._journal = journal
        self._tracing = tracing
        self._judging = judging
        self._clock = clock
        self._new_id = new_id
        self._timeout_ms = timeout_ms

    # --- creating -----------------------------------------------------------------------------

    async def create(
        self,
        workflow: str,
        params: Json = None,
        *,
        instance_id: str | None = None,
        lane: str = Lane.LIVE,
        retention: Retention | None = None,
    ) -> Receipt:
        """Create an instance; raises `InstanceExists` when its id is taken."""
        new = [NewInstance(params, instance_id)]
        (receipt,) = await self._create(workflow, new, lane, retention)
        if not receipt.accepted:
            raise InstanceExists(receipt.message)
        return receipt

    async def create_batch(
        self,
        workflow: str,
        instances: Sequence[NewInstance],
        *,
        lane: str = Lane.LIVE,
        retention: Retention | None = None,
    ) -> list[Receipt]:
        """Create 1 to 100 instances; those that exist are left alone, and out of the answer."""
        requests.check_batch(instances)
        receipts = await self._create(workflow, instances, lane, retention)
        return [receipt for receipt in receipts if receipt.accepted]

    async def _create(
        self,
        workflow: str,
        instances: Sequence[NewInstance],
        lane: str,
        retention: Retention | None,
    ) -> list[Receipt]:
        requests.check_workflow(workflow)
        if lane not in list(Lane):
            raise InvalidRequest(f"lane {lane!r} is not one of {', '.join(Lane)}")
        now_ms, trace = self._clock(), self._tracing.current()
        wanted: dict[InstanceKey, InstanceRecord] = {}
        for new in instances:
            instance_id = self._new_id() if new.instance_id is None else new.instance_id
            requests.check_new_id(instance_id)
            requests.check_params(new.params)
            created = InstanceCreated(
                new.params, now_ms, lane=lane, retention=retention, trace=trace
            )
            wanted.setdefault(InstanceKey(workflow, instance_id), created)
        return [_receipt(it) for it in await self._settle(list(wanted.items()))]

    # --- commanding ---------------------------------------------------------------------------

    async def tell(self, key: InstanceKey, command: Command) -> Receipt:
        """Send a command; its time, and its id if it has none, are filled in here.

        What asks for a state that is there already is no error: the receipt says that it had no
        effect. Raises `InstanceNotFound`, and `CannotTerminate`, `CannotRestart` or
        `CannotReceive` when the instance cannot do it.
        """
        _check_key(key)
        (ruling,) = await self._settle([(key, self._stamped(command))])
        if error := _refusal(ruling):
            raise error
        return _receipt(ruling)

    async def send_event(
        self, key: InstanceKey, event_type: str, payload: Json = None, *, event_id: str = ""
    ) -> Receipt:
        """Send an event; a second one with the same `event_id` has no effect."""
        return await self.tell(key, EventReceived(event_type, payload, 0, event_id))

    async def pause(self, key: InstanceKey, reason: str = "") -> Receipt:
        """Start no more steps, and pause when those that run have ended."""
        return await self.tell(key, PauseRequested(0, reason))

    async def resume(self, key: InstanceKey) -> Receipt:
        """Go on after a pause, or take the request for one back."""
        return await self.tell(key, ResumeRequested(0))

    async def cancel(self, key: InstanceKey, reason: str = "") -> Receipt:
        """Have the workflow see a cancellation, so that it ends in its own way."""
        return await self.tell(key, CancelRequested(0, reason))

    async def terminate(
        self, key: InstanceKey, *, rollback: bool = False, reason: str = ""
    ) -> Receipt:
        """End it now, or after its rollback; raises `CannotTerminate` when it has ended."""
        return await self.tell(key, TerminateRequested(0, rollback, reason))

    async def restart(self, key: InstanceKey, from_step: StepRef | None = None) -> Receipt:
        """Run it again, from the beginning or from a step; raises `CannotRestart`."""
        return await self.tell(key, RestartRequested(0, from_step))

    async def delete(self, key: InstanceKey) -> Receipt:
        """Stop it without a rollback and forget it."""
        return await self.tell(key, DeleteRequested(0))

    async def delete_batch(self, workflow: str, instance_ids: Sequence[str]) -> list[Receipt]:
        """Delete 1 to 100 instances; of those that there are not, the receipt has a code."""
        requests.check_workflow(workflow)
        keys = [
            InstanceKey(workflow, requests.check_address(instance_id))
            for instance_id in requests.check_batch(instance_ids)
        ]
        return await self.tell_all([(key, DeleteRequested(0)) for key in keys])

    async def tell_all(self, commands: Sequence[tuple[InstanceKey, Command]]) -> list[Receipt]:
        """Send 1 to 100 commands; what is refused is no error here: its receipt has a code."""
        requests.check_batch(commands)
        told = [(key, self._stamped(command)) for key, command in commands]
        return [_receipt(each) for each in await self._settle(told)]

    # --- waiting ------------------------------------------------------------------------------

    async def wait(self, receipt: Receipt) -> InstanceSummary | None:
        """Wait until the instance of a receipt has ended or is paused; None: it is gone.

        For as long as that takes: the caller bounds it.
        """
        return await self._judging.at_rest(receipt)

    # --- inside -------------------------------------------------------------------------------

    def _stamped(self, command: Command) -> Command:
        requests.check_command(command)
        now_ms = self._clock()
        if isinstance(command, EventReceived):
            return replace(command, at_ms=now_ms, event_id=command.event_id or self._new_id())
        return replace(command, at_ms=now_ms, command_id=command.command_id or self._new_id())

    async def _settle(self, records: Sequence[tuple[InstanceKey, InstanceRecord]]) -> list[Ruling]:
        """Append the records, and wait for what becomes of them."""
        positions = await asyncio.gather(*(self._append(key, it) for key, it in records))
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                rulings = await self._judging.rulings(positions)
        except TimeoutError:
            raise BrokerUnavailable(
                f"what was asked is in the journal, but was not read back within "
                f"{self._timeout_ms} ms: look at the instance later"
            ) from None
        return [rulings[position] for position in positions]

    async def _append(self, key: InstanceKey, record: InstanceRecord) -> Position:
        trace = record.trace if isinstance(record, InstanceCreated) else None
        value, headers = codec.encode(record), list(headers_of(trace))
        try:
            return await self._journal.append(EventRecord(key.encode(), value, headers))
        except EventRejected as error:
            raise InvalidRequest(error.detail) from error


_REFUSED: dict[str, type[InstanceError]] = {
    CancelRequested.__name__: CannotTerminate,
    TerminateRequested.__name__: CannotTerminate,
    EventReceived.__name__: CannotReceive,
    RestartRequested.__name__: CannotRestart,
}


def _check_key(key: InstanceKey) -> None:
    requests.check_workflow(key.workflow)
    requests.check_address(key.instance)


def _refusal(ruling: Ruling) -> InstanceError | None:
    """The error of a refused command; None where nothing had to be done."""
    if ruling.verdict == Verdict.UNKNOWN_INSTANCE:
        return InstanceNotFound(ruling.message)
    refused = ruling.verdict in (Verdict.INSTANCE_FINISHED, Verdict.UNKNOWN_STEP)
    error = _REFUSED.get(ruling.kind) if refused else None
    return error(ruling.message) if error else None


def _receipt(ruling: Ruling) -> Receipt:
    error = _refusal(ruling)
    return Receipt(
        workflow=ruling.workflow,
        instance_id=ruling.instance_id,
        command_id=ruling.command_id,
        verdict=ruling.verdict,
        status=ruling.after,
        message=ruling.message,
        partition=ruling.partition,
        offset=ruling.offset,
        code=error.code if error else None,
    )
