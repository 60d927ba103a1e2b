"""What a worker makes of bad records on its topics: T1 to T14.

All rows are sent, one after the other, to a real worker on the embedded broker, and then a good
event: when that one has been carried out, everything before it has been dealt with.
"""

import json
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stepwell.schemas.envelope import schema_id
from stepwell.streams.app import run_worker
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.settings_load import load_settings
from tests.bad_inputs.conftest import free_port, running
from tests.bad_inputs.outcomes import (
    Outcome,
    read_errors,
    read_letters,
    read_metrics,
    until_ended,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

YEAR_9999_MS = 253_402_300_799_000
ITEM = {
    "type": "issue",
    "repo": "acme/site",
    "number": 1,
    "title": "t",
    "body": "",
    "state": "open",
}
ITEM |= {"url": "https://x", "labels": [], "updated_at": "2026-01-31T10:00:00Z", "action": "opened"}


@dataclass(frozen=True)
class Sent:
    """A record for a topic."""

    value: bytes | None
    key: bytes | None = b"order-1"
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "stepwell.events"
    timestamp_ms: int | None = None
    committed: bool | None = None
    """Whether the transaction that it is sent in is committed; None: in none."""


@dataclass(frozen=True)
class Row:
    """Records, and what becomes of them."""

    id: str
    sent: tuple[Sent, ...]
    letters: tuple[tuple[str, str], ...] = ()
    """Stage and reason of the dead letters."""
    says: str = ""
    """Part of the letter's message, or of the error of an instance."""
    instances: dict[str, str] = field(default_factory=dict)
    """The new instances, and how they end."""
    counted: str = ""
    """The metric that went up."""


def row(id_: str, *sent: Sent, **expected):
    return pytest.param(Row(id_, sent, **expected), id=id_)


def named(id_: str) -> str:
    """The id of the event of a row: a UUID names the instance too."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, id_))


def event(id_, data=None, type_="shop.order", *, more=(), value=None, drop="", **sent) -> Sent:
    """A CloudEvent in binary mode; `more` headers come first."""
    headers = {"ce_specversion": "1.0", "ce_id": named(id_), "ce_source": "/shop", "ce_type": type_}
    headers.pop(drop, None)
    own = [(name, text.encode()) for name, text in headers.items()]
    data = {"number": id_} if data is None else data
    body = json.dumps(data).encode() if value is None else value
    return Sent(body, headers=(*more, *own), **sent)


def journal(value, key=b"order/t12"):
    return Sent(
        value if isinstance(value, bytes) else json.dumps(value).encode(),
        key,
        topic="stepwell.journal",
    )


def order(id_: str, status: str = "complete") -> dict[str, str]:
    return {f"order/{named(id_)}": status}


def letter(id_: str, sent: Sent, reason: str, says: str, stage: str = "decode"):
    return row(id_, sent, letters=((stage, reason),), says=says)


ROWS = [
    row("T1 no value", Sent(None), counted='events_ignored_total{reason="tombstone"}'),
    letter("T2 not JSON", event("", value=b"{"), "decode", "invalid JSON at byte 1"),
    letter("T2 Avro", Sent(b"\0\0\0\0\x07avro"), "framing", "schema id 7, as schema-registry"),
    row("T3 no key", event("T3", key=None), instances=order("T3")),
    letter(
        "T3 a key of 900 kB", event("", key=b"k" * 900_000), "key", "900000 bytes; at most 1024"
    ),
    letter("T3 a binary key", event("", key=b"\x80\0\0\1"), "key", "not UTF-8 at byte 0"),
    row(
        "T3 a binary key and a subject",
        event("T3 subject", key=b"\x80\0\0\1", more=[("ce_subject", b"order-1")]),
        instances=order("T3 subject"),
    ),
    letter(
        "T4 a header that is not UTF-8",
        event("", more=[("ce_tenant", b"\xff")]),
        "attribute",
        "ce_tenant: not UTF-8 at byte 0",
    ),
    row(
        "T4 10,000 headers",
        event("T4", more=[(f"x-{number}", b"\xff") for number in range(10_000)]),
        instances=order("T4"),
    ),
    row(
        "T4 ce_id twice",
        event("ignored", {"number": 4}, more=[("ce_id", named("T4 first").encode())]),
        instances=order("T4 first"),
    ),
    *(
        row(
            f"T5 at {at_ms}",
            event(f"T5 {at_ms}", timestamp_ms=at_ms),
            instances=order(f"T5 {at_ms}"),
        )
        for at_ms in (0, -1, YEAR_9999_MS, 2**62)
    ),
    row(
        "T5 of the year 9999",
        event("T5 time", more=[("ce_time", b"9999-12-31T23:59:59Z")]),
        instances=order("T5 time"),
    ),
    letter(
        "T5 no time", event("", more=[("ce_time", b"-1")]), "attribute", "time: '-1' is no RFC 3339"
    ),
    letter(
        "T6 a later CloudEvents",
        event("", more=[("ce_specversion", b"2.0")]),
        "version",
        "specversion '2.0'; this release reads 1.0",
    ),
    letter(
        "T6 a later schema",
        event(
            "", more=[("ce_dataschema", schema_id("github-issues").replace(":1", ":2").encode())]
        ),
        "version",
        "run a newer one",
    ),
    row(
        "T6 an additive change",
        event("T6", ITEM | {"new": 1}, "com.github.issues.opened"),
        instances={f"content/{named('T6')}": "complete"},
    ),
    letter(
        "T7 a field removed",
        event("", {k: v for k, v in ITEM.items() if k != "title"}, "com.github.issues.opened"),
        "shape",
        "data.title: text expected, found nothing",
        "route",
    ),
    letter(
        "T7 a type changed",
        event("", ITEM | {"number": "1"}, "com.github.issues.opened"),
        "shape",
        "data.number: positive integer expected, found str",
        "route",
    ),
    row(
        "T7 a new state",
        event("T7", ITEM | {"state": "snoozed"}, "com.github.issues.opened"),
        instances={f"content/{named('T7')}": "complete"},
    ),
    row(
        "T8 an aborted transaction, then a committed one",
        event("T8 aborted", committed=False),
        event("T8 committed", committed=True),
        instances=order("T8 committed"),
    ),
    letter(
        "T9 larger than a fetch",
        event("T9", {"number": "T9", "text": "x" * 2_500_000}),
        "size",
        "the limit is 1048576",
        "route",
    ),
    row(
        "T10 one id in two workflows",
        event("T10", {"number": "T10"}, "shop.numbered"),
        instances={"order/T10": "complete", "audit/T10": "complete"},
    ),
    row(
        "T10 an id that is taken",
        event("T10 again", {"number": "T10"}, "shop.numbered"),
        counted='duplicates_total{stage="duplicate-instance"}',
    ),
    row(
        "T11 an unknown instance",
        event("T11", {"number": "nobody"}, "shop.paid"),
        counted='duplicates_total{stage="unknown-instance"}',
    ),
    row(
        "T11 a finished instance",
        event("T11 bill", {"number": "T11"}, "shop.bill"),
        event("T11 paid", {"number": "T11"}, "shop.paid"),
        event("T11 paid twice", {"number": "T11"}, "shop.paid"),
        instances={"payment/T11": "complete"},
    ),
    *(
        row(f"T12 {name}", journal(value), letters=(("journal", reason),), says=says)
        for name, value, reason, says in (
            ("garbage", b"\xff\0garbage", "decode", "not a journal record"),
            ("a later version", {"v": 2, "kind": "InstanceCreated"}, "version", "run a newer one"),
            ("a kind of its own", {"v": 1, "kind": "Nonsense"}, "version", "run a newer one"),
            (
                "a field of another type",
                {"v": 1, "kind": "InstanceCreated", "params": 1, "at_ms": "soon"},
                "shape",
                "at_ms",
            ),
            ("a field too few", {"v": 1, "kind": "InstanceCreated"}, "shape", "params"),
        )
    ),
    row(
        "T12 out of sequence",
        journal(
            {"v": 1, "kind": "InstanceCompleted", "run": 7, "epoch": 3, "at_ms": 5, "output": 1},
            b"order/of-nobody",
        ),
        counted='duplicates_total{stage="unknown-instance"}',
    ),
    row(
        "T13 a fifth of the steps",
        event("T13c", {"number": "T13c", "steps": 2}, "shop.large"),
        instances={"large/T13c": "complete"},
        counted='limits_near_total{limit="steps"}',
    ),
    row(
        "T13 a step too many",
        event("T13d", {"number": "T13d", "steps": 11}, "shop.large"),
        instances={"large/T13d": "errored"},
        says="more than 10 steps in one instance",
    ),
    row(
        "T13 a result of a fifth of what is allowed",
        event("T13e", {"number": "T13e", "bytes": 210_000}, "shop.large"),
        instances={"large/T13e": "complete"},
        counted='limits_near_total{limit="record-bytes"}',
    ),
    row(
        "T13 a result of 2 MiB",
        event("T13", {"number": "T13", "bytes": 2 * 1024 * 1024}, "shop.large"),
        instances={"large/T13": "errored"},
        says="the limit is 1048576",
    ),
    row(
        "T13 parameters of 2 MiB",
        event("T13b", {"number": "T13b", "text": "x" * 2 * 1024 * 1024}, "shop.large"),
        letters=(("route", "size"),),
        says="the limit is 1048576",
    ),
    row(
        "T14 a forged trace and reserved headers",
        event("T14", more=[("ce_traceparent", b"../../etc"), ("stepwell-reason", b"forged")]),
        instances=order("T14"),
    ),
    letter(
        "T14 a letter that others wrote",
        event("", value=b"{", more=[("stepwell-reason", b"forged"), ("stepwell-offset", b"7")]),
        "decode",
        "invalid JSON",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All rows, sent to a real worker on topics of one partition."""
    folder: Path = tmp_path_factory.mktemp("worker")
    rows = [one.values[0] for one in ROWS]
    wanted = {key: status for row in rows for key, status in row.instances.items()} | order("good")
    async with EmbeddedBroker(BrokerConfig(folder / "broker")) as broker:
        port = free_port()
        flags = {
            "kafka.bootstrap": broker.address,
            "kafka.partitions": "1",
            "worker.workflows": "tests.bad_inputs.flows:workflows",
            "worker.store": "memory",
            "worker.data_dir": str(folder / "data"),
            "metrics.port": str(port),
        }
        settings = load_settings(flags=flags, environ={}, config=None, directory=folder)
        async with running(partial(run_worker, settings), port):
            await let_everything_in(broker.address)
            offsets = {
                row.id: [await send(broker.address, one) for one in row.sent] for row in rows
            }
            await send(broker.address, event("good"))
            statuses = await until_ended(settings, wanted)
            errors = await read_errors(settings, statuses)
            letters = await read_letters(broker.address)
            metrics = await read_metrics(port)
    return Outcome(offsets, letters, statuses, errors, metrics)


async def let_everything_in(bootstrap: str) -> None:
    """Other brokers may be set up like this: for large records, and times far ahead."""
    configs = {"max.message.bytes": "8000000", "message.timestamp.after.max.ms": str(2**63 - 1)}
    topic = ConfigResource(ConfigResourceType.TOPIC, "stepwell.events", configs=configs)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.alter_configs([topic])
    await admin.close()


async def send(bootstrap: str, sent: Sent) -> int:
    """Send a record; its offset."""
    in_transaction = {} if sent.committed is None else {"transactional_id": uuid.uuid4().hex}
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_request_size=8_000_000, **in_transaction
    ) as producer:
        if in_transaction:
            await producer.begin_transaction()
        stored = await producer.send_and_wait(
            sent.topic,
            sent.value,
            sent.key,
            headers=list(sent.headers),
            timestamp_ms=sent.timestamp_ms,
        )
        if sent.committed is True:
            await producer.commit_transaction()
        elif sent.committed is False:
            await producer.abort_transaction()
    return int(stored.offset)


@pytest.mark.parametrize("row", ROWS)
async def test_a_bad_record_ends_as_the_table_says(outcome: Outcome, row: Row) -> None:
    places = zip((one.topic for one in row.sent), outcome.offsets[row.id], strict=True)
    letters = [outcome.letters[place] for place in places if place in outcome.letters]
    assert [(one["stepwell-stage"], one["stepwell-reason"]) for one in letters] == [*row.letters]
    for letter in letters:
        assert row.says in letter["stepwell-message"]
    assert {key: outcome.statuses.get(key) for key in row.instances} == row.instances
    for key in row.instances:
        assert row.says in outcome.errors.get(key, "")
    if row.counted:
        assert outcome.counted(row.counted) > 0


async def test_the_worker_went_on_and_nothing_else_came_of_them(outcome: Outcome) -> None:
    expected = [key for one in ROWS for key in one.values[0].instances]
    assert sorted(outcome.statuses) == sorted([*expected, *order("good")])
    assert len(outcome.letters) == sum(len(one.values[0].letters) for one in ROWS)
