"""A subject is forgotten: a marker in its text is looked for in every file that anybody keeps."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import numpy as np
import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from stepwell.schemas.documents import Document, Embedded
from stepwell.schemas.topics import Topics
from stepwell.streams import Workflow, Workflows, on_event, on_workflow, send_on
from stepwell.streams.agents.worker import Worker
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.index.directory import Collection, Directory
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.metrics import Metrics
from stepwell.streams.operator.forgetting.service import forget_subject, plan_forgetting
from stepwell.streams.operator.queries import ensure_topics, list_instances
from stepwell.streams.ports import VectorIndex, WriteStatus
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.views import Forgotten
from stepwell.streams.wiring import topics_of, worker_config
from tests.kafka.conditions import eventually

pytestmark = pytest.mark.slow

SUBJECT, OTHER = "github:acme/site#42", "github:acme/site#43"
MARKER, KEPT = b"xyzzymarkerxyzzy", b"plughkeptplugh"
COLLECTION = "StepwellDocument"
SMALL = {"segment.bytes": "4000", "max.message.bytes": "2097152"}
COMPACT = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "0",
}
DELETE = {"cleanup.policy": "delete", "retention.ms": "604800000"}


def document(subject: str, text: str, updated_at: str = "2026-01-01T00:00:00Z") -> Embedded:
    made = Document(subject, "issue", "acme/site", 1, text, text, "open", "", updated_at)
    return Embedded(made, np.array([0.6, 0.8], np.float32), "tiny@1")


class Echo(Workflow, name="echo"):
    """The child: it has the text in its parameters."""

    async def run(self, event, step):
        return await step.do("echo", lambda: event.payload)


class Note(Workflow, name="note"):
    """Follows: it has the output in its parameters."""

    triggers = (on_workflow("embed"),)

    async def run(self, event, step):
        return "noted"


class Watcher(Workflow, name="watcher"):
    """Is started by something else, and told of every event."""

    triggers = (
        on_event("watch", instance_id=lambda _: "all"),
        send_on("issue", instance_id=lambda _: "all", payload=lambda _: "something came"),
    )

    async def run(self, event, step):
        await step.wait_for_event("never", type="never")


class Embed(Workflow, name="embed"):
    triggers = (on_event("issue", params=lambda event: {"text": event.data["text"]}),)

    async def run(self, event, step):
        text = await step.do("fetch", lambda: event.payload["text"])
        await step.child("echo", Echo, text)
        subject = event.payload["text"].split()[0]
        await step.do("upsert", self.env.upsert, [document(subject, text)])
        return text


@dataclass
class Site:
    """A deployment with a RocksDB store, a SQLite index, and a log of tiny segments."""

    folder: Path
    settings: Settings
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient
    index: VectorIndex
    published: int = 0

    @property
    def topics(self) -> Topics:
        return topics_of(self.settings.kafka)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        bound = [(Embed, self.index), (Echo, None), (Note, None), (Watcher, None)]
        worker = Worker(worker_config(self.settings), Workflows(bound), Metrics("test"))
        running = asyncio.create_task(worker.run(stop))
        await eventually(lambda: worker.ready or running.done(), "the worker is ready")
        try:
            yield
        finally:
            stop.set()
            await running

    async def publish(self, subject: str, text: str, type_: str = "issue") -> None:
        self.published += 1
        value = text.encode() if type_ == "broken" else orjson.dumps({"text": text})
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", b"e-%d" % self.published),
            ("ce_source", b"/site"),
            ("ce_type", type_.encode()),
            ("ce_subject", subject.encode()),
        ]
        await self.producer.send_and_wait(
            self.topics.events, value, subject.encode(), headers=headers
        )

    async def until_complete(self, count: int) -> None:
        async def there() -> bool:
            found = await list_instances(self.settings, status="complete", limit=1000)
            return len(found) >= count

        await eventually(there, f"{count} instances are complete")

    def topics_with(self, text: bytes) -> set[str]:
        """The topics in whose files a text lies."""
        logs = self.folder / "broker" / "topics"
        folders = (path.relative_to(logs).parts[0] for path in files_with(logs, text))
        return {folder.rpartition("-")[0] for folder in folders}

    async def roll(self) -> None:
        """Write so much that the segments of today are closed, in every partition."""
        for topic in (each.name for each in self.topics.facts()):
            changelog = "changelog" in topic
            for partition in range(self.settings.kafka.partitions):
                # A tombstone of nothing, for tables; and nothing at all for agents.
                key = b"filler\x00" + b"f" * 4_000
                await self.producer.send_and_wait(
                    topic, None if changelog else b"", key, partition=partition
                )

    async def until_gone(self, topics: Iterable[str]) -> None:
        gone = set(topics)
        await eventually(lambda: not self.topics_with(MARKER) & gone, f"no marker in {gone}")


def files_with(folder: Path, text: bytes) -> list[Path]:
    """The files below a folder in which a text lies."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if text in path.read_bytes()]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        config = BrokerConfig(tmp_path / "broker", upkeep_interval_ms=100)
        broker = await stack.enter_async_context(EmbeddedBroker(config))
        index_url = f"sqlite://{tmp_path / 'index' / 'index.db'}"
        flags = {
            "kafka.bootstrap": broker.address,
            "kafka.partitions": "2",
            "worker.store": "rocksdb",
            "worker.data_dir": str(tmp_path / "worker"),
            "worker.commit_interval_ms": "50",
            "readmodel.dir": str(tmp_path / "readmodel"),
            "index.url": index_url,
        }
        settings = load_settings(flags=flags, environ={}, config=None, directory=tmp_path)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        stack.push_async_callback(admin.close)
        await admin.create_topics(
            [
                NewTopic(one.name, one.partitions, 1, topic_configs=SMALL | rules)
                for one in topics_of(settings.kafka).facts()
                for rules in (COMPACT if one.cleanup_policy == "compact" else DELETE,)
            ]
        )
        await ensure_topics(settings)
        store = make_directory(index_url, COLLECTION)
        one = Collection(COLLECTION, "tiny", "tiny@1", 2)
        assert await store.replace(None, Directory((one,)))
        await store.close()
        index = make_index(index_url, COLLECTION, 2, first=COLLECTION)
        await index.open()
        stack.push_async_callback(index.close)
        producer = AIOKafkaProducer(bootstrap_servers=broker.address)
        await stack.enter_async_context(producer)
        yield Site(tmp_path, settings, producer, admin, index)


async def fill(site: Site) -> None:
    """The subject and another one; a record of the subject that cannot be read; a bystander."""
    await site.publish("watch", "start", "watch")
    await site.publish(SUBJECT, f"{SUBJECT} {MARKER.decode()}")
    await site.publish(SUBJECT, MARKER.decode(), "broken")
    await site.publish(OTHER, f"{OTHER} {KEPT.decode()}")
    await site.until_complete(6)
    assert await site.index.count() == 2


async def forget(site: Site) -> Forgotten:
    done: list[str] = []
    forgotten = await forget_subject(site.settings, SUBJECT, done.append)
    workflows = {name.partition("/")[0] for name in forgotten.deleted}
    assert workflows == {"embed", "echo", "note"}
    assert (forgotten.documents, len(forgotten.discarded)) == ({COLLECTION: "stored"}, 1)
    assert (forgotten.rows_deleted, forgotten.touched) == (True, ("watcher/all",))
    assert len(done) == 3
    await site.until_complete(3)
    return forgotten


async def test_nothing_of_a_forgotten_subject_is_left_but_what_is_listed(site: Site) -> None:
    topics, folder = site.topics, site.folder
    async with asyncio.timeout(60):
        async with site.worker():
            await fill(site)
            forgotten = await forget(site)
            await site.roll()
            await site.until_gone([topics.instances_changelog, topics.history_changelog])

        # What remains is what was said to remain, and no more than that.
        remains = {each.topic for each in forgotten.remains if each.until_ms is not None}
        assert site.topics_with(MARKER) == {topics.events, topics.journal, topics.dead_letters}
        assert site.topics_with(MARKER) <= remains
        assert site.topics_with(KEPT) >= {topics.journal, topics.history_changelog}

        # The document is gone and older versions cannot come back.
        assert files_with(folder / "index", MARKER) == []
        assert await site.index.count() == 1
        (outcome,) = await site.index.upsert([document(SUBJECT, "again")])
        assert outcome.status is WriteStatus.STALE

        # So has the read model, once it has read on.
        await site.until_complete(3)
        assert files_with(folder / "readmodel", MARKER) == []

        # A worker that begins with an empty folder gets nothing of it back.
        rmtree(folder / "worker")
        async with site.worker():
            await site.publish(OTHER, f"{OTHER} {KEPT.decode()}")
            await site.until_complete(6)
        assert files_with(folder / "worker", KEPT)
        assert files_with(folder / "worker", MARKER) == []

        # What is listed goes when Kafka deletes records: here by command, else by retention.
        ends = {
            TopicPartition(each.topic, each.partition): RecordsToDelete(each.last_offset + 1)
            for each in forgotten.remains
            if each.until_ms is not None
        }
        await site.admin.delete_records(ends)
        await site.until_gone(remains)
    assert files_with(folder / "broker", MARKER) == []
    assert (await plan_forgetting(site.settings, SUBJECT)).remains == ()
