"""T12: journal records that cannot be read become letters, and stop only the instance they name."""

import asyncio
from itertools import count

import pytest

from stepwell.schemas import codec
from stepwell.schemas.dead_letters import Failure
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows
from stepwell.streams.agents.instances import Instances
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.runtime.admission import Gate
from stepwell.streams.runtime.bodies import StepBodies
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.runtime.surroundings import Surroundings
from tests.simulation.world import Durable, SimulatedRows

ONE, OTHER = InstanceKey("wait", "one"), InstanceKey("wait", "other")
NEWER = b'{"v":2,"kind":"StepSucceeded","run":1}'
UNREADABLE = {
    "no JSON": (b"garbage", "decode"),
    "no value": (b"", "decode"),
    "registry framing": (b"\x00\x00\x00\x00\x07avro", "decode"),
    "an array": (b"[1]", "decode"),
    "a kind that is a list": (b'{"v":1,"kind":[]}', "decode"),
    "a newer version": (NEWER, "version"),
    "an unknown kind": (b'{"v":1,"kind":"Teleported"}', "version"),
    "missing fields": (b'{"v":1,"kind":"StepSucceeded","run":1}', "shape"),
    "a text for a number": (b'{"v":1,"kind":"InstanceCreated","params":1,"at_ms":"x"}', "shape"),
    "a number for a part": (
        b'{"v":1,"kind":"InstanceCreated","params":1,"at_ms":1,"origin":5}',
        "shape",
    ),
    "a wrong field within a part": (
        b'{"v":1,"kind":"InstanceErrored","run":0,"epoch":0,"at_ms":1,"error":{"name":1}}',
        "shape",
    ),
}


class Wait(Workflow, name="wait"):
    async def run(self, event: WorkflowEvent[None], step: Step) -> None:
        await step.wait_for_event("go", type="go")


class Partition:
    """One owned journal partition; what its owner appends is read back when `settle` is called."""

    def __init__(self) -> None:
        self.letters: list[tuple[RawRecord, Failure]] = []
        self.ledger = Ledger()
        self._unread: list[tuple[bytes, bytes]] = []
        self._offsets = count()
        loop = asyncio.get_running_loop()
        around = Surroundings(
            append=lambda _partition, key, value: self._unread.append((key, value)),
            append_instance=lambda key, value: self._unread.append((key, value)),
            bodies=StepBodies(system_clock),
            call_soon=loop.call_soon,
            call_later=lambda ms, function: loop.call_later(ms / 1000, function),
            workflow=Workflows([(Wait, None)]).create,
            clock=system_clock,
            observe=lambda _key, _record, _verdict: None,
            worker="bench",
            gate=Gate(10, system_clock, loop.call_later),
        )
        rows = SimulatedRows(Durable())
        self.instances = Instances(
            lambda _: rows,
            around.bodies,
            around,
            lambda record, failure: self.letters.append((record, failure)),
        )
        self.instances.recovered([0])
        self.settle()

    def read(self, key: bytes, value: bytes) -> None:
        offset = next(self._offsets)
        self.ledger.take(0, offset, key, value)
        self.instances.handle(RawRecord("stepwell.journal", 0, offset, 1_000, key, value))
        self.settle()

    def settle(self) -> None:
        while self._unread:
            self.read(*self._unread.pop(0))

    def create(self, key: InstanceKey) -> None:
        self.read(key.encode(), codec.encode(InstanceCreated(None, 1)))

    def status(self, key: InstanceKey) -> str:
        found = self.ledger.summary(key)
        return found.status if found else "none"


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_is_set_aside_with_a_reason(name) -> None:
    partition = Partition()
    partition.create(ONE)
    value, reason = UNREADABLE[name]
    partition.read(ONE.encode(), value)
    ((record, failure),) = partition.letters
    assert (record.value, failure.stage, failure.reason) == (value, "journal", reason)
    assert (failure.workflow, failure.instance) == ("wait", "one")


async def test_its_instance_pauses_and_says_why_and_the_others_go_on() -> None:
    partition = Partition()
    partition.create(ONE)
    partition.create(OTHER)
    partition.read(ONE.encode(), NEWER)
    assert (partition.status(ONE), partition.status(OTHER)) == ("paused", "waiting")
    reason = partition.ledger.summary(ONE).reason
    assert "cannot be read" in reason
    assert "version 2" in reason


async def test_a_key_that_is_no_instance_is_named_and_pauses_nothing() -> None:
    partition = Partition()
    partition.create(ONE)
    partition.read(b"nobody", codec.encode(InstanceCreated(None, 1)))
    partition.read(b"\xff\xfe", b"garbage")
    assert [failure.reason for _, failure in partition.letters] == ["key", "decode"]
    assert partition.status(ONE) == "waiting"


async def test_an_instance_that_there_is_not_is_not_made_by_it() -> None:
    partition = Partition()
    partition.read(ONE.encode(), b"garbage")
    assert partition.status(ONE) == "none"


async def test_read_again_it_pauses_nothing_twice() -> None:
    partition = Partition()
    partition.create(ONE)
    for _ in range(2):
        partition.read(ONE.encode(), NEWER)
    assert partition.status(ONE) == "paused"
    assert len(partition.letters) == 2
