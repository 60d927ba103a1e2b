"""Pruning blobs, on the embedded broker: what a record may name stays, the rest goes when old."""

import asyncio
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stepwell.schemas.values import dumps
from stepwell.streams.blob_files import BlobFolderUnusable, FileCount, list_files, remove
from stepwell.streams.blobs import BlobRef, DirectoryBlobStore
from stepwell.streams.errors import BrokerUnavailable, TopicMismatch
from stepwell.streams.operator.control import open_control
from stepwell.streams.operator.pruning import service
from stepwell.streams.operator.pruning.service import plan_pruning, prune_blobs
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.settings import BlobSettings, Settings
from tests.deadletters.conftest import Shop

pytestmark = pytest.mark.slow  # a broker for each, and for some a worker: seconds

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
NOTHING = FileCount(0, 0)


def nobody(_files):
    """Where nobody listens."""


@dataclass
class Depot:
    """A shop with a folder of blobs."""

    shop: Shop
    settings: Settings
    store: DirectoryBlobStore

    @property
    def folder(self) -> Path:
        return self.settings.blobs.dir

    def file(self, ref: BlobRef) -> Path:
        return self.folder / ref.sha256[:2] / ref.sha256

    async def put(self, data: bytes, days: float = 8) -> BlobRef:
        """Put so many days ago."""
        ref = await self.store.put(data)
        age(self.file(ref), days)
        return ref

    async def append(self, topic: str, value: bytes | None, key: bytes = b"key", **more) -> None:
        await self.shop.producer.send_and_wait(topic, value, key, **more)

    async def order(self, ref: BlobRef) -> None:
        """An instance that gives back the reference that it is given."""
        async with open_control(self.settings) as control:
            await control.create("order", {"total": asdict(ref)})

    async def prune(self):
        return await prune_blobs(self.settings, WEEK_MS, nobody)


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


@pytest.fixture
async def depot(shop: Shop, tmp_path: Path) -> Depot:
    """One that has held an instance."""
    settings = replace(shop.settings, blobs=BlobSettings(tmp_path / "blobs"))
    found = Depot(shop, settings, DirectoryBlobStore(settings.blobs.dir))
    await found.append(shop.topics.instances_changelog, None, b"order/first")
    return found


async def test_what_nothing_names_is_deleted_when_it_is_old(depot):
    old, young = await depot.put(b"an old one"), await depot.put(b"a young one", days=6)
    told = []
    pruned = await prune_blobs(depot.settings, WEEK_MS, told.append)
    assert not depot.file(old).exists()
    assert depot.file(young).exists()
    assert (pruned.blobs, pruned.too_young) == (FileCount(2, 21), FileCount(1, 11))
    assert (pruned.unreferenced, pruned.deleted) == (FileCount(1, 10), FileCount(1, 10))
    assert told == [1]


async def test_a_dry_run_deletes_nothing(depot):
    old = await depot.put(b"an old one")
    plan = await plan_pruning(depot.settings, WEEK_MS)
    assert (plan.unreferenced, plan.referenced) == (FileCount(1, 10), NOTHING)
    assert plan.deleted is None
    assert depot.file(old).exists()


async def test_an_instance_that_has_not_ended_keeps_what_its_parameters_name(depot):
    ref = await depot.put(b"a parameter")
    await depot.order(ref)
    pruned = await depot.prune()
    assert depot.file(ref).exists()
    assert (pruned.referenced, pruned.deleted) == (FileCount(1, 11), NOTHING)


async def test_an_instance_that_is_complete_keeps_what_its_records_name(depot):
    ref = await depot.put(b"a result")
    async with depot.shop.worker():
        await depot.order(ref)
        await depot.shop.until_complete(1)
    await depot.prune()
    assert depot.file(ref).exists()


async def test_a_record_in_whichever_topic_keeps_what_it_names(depot):
    named = {}
    for topic in (facts.name for facts in depot.shop.topics.facts()):
        key, value, header, in_bytes = [
            await depot.put(f"{topic} {where}".encode()) for where in range(4)
        ]
        await depot.append(topic, None, f"a/{key.sha256}\0".encode(), partition=0)
        await depot.append(topic, dumps({"ref": value}), partition=1)
        await depot.append(topic, b"", headers=[("x", header.sha256.encode())])
        await depot.append(topic, dumps({"manifest": dumps([in_bytes])}))
        named[topic] = (key, value, header, in_bytes)
    pruned = await depot.prune()
    gone = [topic for topic, refs in named.items() for ref in refs if not depot.file(ref).exists()]
    assert (gone, pruned.referenced.files, pruned.deleted) == ([], 24, NOTHING)


async def test_what_is_not_committed_keeps_what_it_names(depot):
    in_doubt, aborted = await depot.put(b"in doubt"), await depot.put(b"aborted")
    bootstrap, events = depot.settings.kafka.bootstrap, depot.shop.topics.events
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="t") as sender:
        await sender.begin_transaction()
        await sender.send_and_wait(events, aborted.sha256.encode(), partition=0)
        await sender.abort_transaction()
        await sender.begin_transaction()
        await sender.send_and_wait(events, in_doubt.sha256.encode(), partition=1)
        pruned = await depot.prune()
        await sender.abort_transaction()
    assert (pruned.referenced.files, pruned.deleted) == (2, NOTHING)


async def test_a_blob_that_stays_keeps_what_it_names(depot):
    page = await depot.put(b"a page")
    chapter = await depot.put(orjson.dumps([page]))
    book = await depot.put(orjson.dumps([chapter]), days=1)
    circle = await depot.put(b"of nobody")
    pruned = await depot.prune()
    assert [depot.file(ref).exists() for ref in (page, chapter, book, circle)] == [1, 1, 1, 0]
    assert (pruned.referenced.files, pruned.deleted) == (2, FileCount(1, 9))


async def test_another_deployment_of_the_broker_keeps_what_its_records_name(depot):
    ref, row = await depot.put(b"of another"), await depot.put(b"of a row")
    kafka = replace(depot.settings.kafka, prefix="other", app_id="other-worker")
    await ensure_topics(replace(depot.settings, kafka=kafka))
    await depot.append("other.events", ref.sha256.encode())
    await depot.append("other-worker-history-changelog", row.sha256.encode())
    assert (await depot.prune()).referenced.files == 2


async def test_a_reference_that_is_appended_while_the_log_is_read_is_met(depot, monkeypatch):
    ref, begun = await depot.put(b"moves on"), []
    read = service.LogReader.read

    async def and_meanwhile(self, topic, ranges):
        if not begun:  # the bounds of all topics are known now
            begun.append(topic)
            await depot.append(depot.shop.topics.events, ref.sha256.encode())
        async for record in read(self, topic, ranges):
            yield record

    monkeypatch.setattr(service.LogReader, "read", and_meanwhile)
    pruned = await depot.prune()
    assert begun
    assert (pruned.referenced.files, pruned.deleted) == (1, NOTHING)


async def test_what_is_put_again_after_it_was_listed_stays(depot, monkeypatch):
    ref = await depot.put(b"put again")

    def late(file):
        asyncio.run(depot.store.put(b"put again"))
        return remove(file)

    monkeypatch.setattr(service, "remove", late)
    pruned = await depot.prune()
    assert await depot.store.get(ref) == b"put again"
    assert (pruned.unreferenced.files, pruned.deleted) == (1, NOTHING)
    assert len(list_files(depot.folder)) == 1


async def test_what_is_put_again_between_the_look_and_the_deletion_stays(depot, monkeypatch):
    ref = await depot.put(b"put again")
    unlink = Path.unlink

    def late(path):
        asyncio.run(depot.store.put(b"put again"))
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", late)
        await depot.prune()
    assert await depot.store.get(ref) == b"put again"


async def test_a_part_that_was_left_over_is_deleted_and_one_that_grows_is_not(depot):
    depot.folder.mkdir()
    dead, growing = depot.folder / "incoming-a1b2_3c4", depot.folder / "incoming-abcdefgh"
    for part in (dead, growing):
        part.write_bytes(b"half")
    age(dead, 8)
    pruned = await depot.prune()
    assert (pruned.parts, pruned.deleted) == (FileCount(1, 4), FileCount(1, 4))
    assert list(depot.folder.iterdir()) == [growing]


async def test_files_of_others_in_the_folder_are_left_alone(depot):
    ref = await depot.put(b"a blob")
    shard = depot.file(ref).parent
    foreign = [
        depot.folder / "README",
        depot.folder / "incoming-mail.txt",
        depot.folder / ("0" * 64),
        shard / "notes",
        shard / f"{ref.sha256}.bak",
        depot.folder / "zz" / ref.sha256,
        depot.folder / "ff" / ("0" * 64),
    ]
    for name in ("zz", "ff"):
        (depot.folder / name).mkdir()
    for path in foreign:
        path.write_bytes(b"mine")
        age(path, 100)
    link = shard / (shard.name + "0" * 62)
    link.symlink_to(foreign[0])
    os.utime(link, (1, 1), follow_symlinks=False)
    pruned = await depot.prune()
    assert pruned.unreferenced == pruned.deleted == FileCount(1, 6)
    assert all(path.exists() for path in (*foreign, link))


async def test_a_broker_that_is_away_or_another_one_deletes_nothing(depot):
    ref = await depot.put(b"a blob")
    for changed, error in (
        ({"bootstrap": "127.0.0.1:1"}, BrokerUnavailable),
        ({"prefix": "misspelt"}, TopicMismatch),
        ({"app_id": "misspelt"}, TopicMismatch),
    ):
        wrong = replace(depot.settings, kafka=replace(depot.settings.kafka, **changed))
        with pytest.raises(error, match=next(iter(changed.values()))):
            await prune_blobs(wrong, WEEK_MS, nobody)
    kafka = replace(depot.settings.kafka, prefix="fresh", app_id="fresh-worker")
    fresh = replace(depot.settings, kafka=kafka)
    await ensure_topics(fresh)
    with pytest.raises(TopicMismatch, match="never held an instance"):
        await prune_blobs(fresh, WEEK_MS, nobody)
    assert depot.file(ref).exists()


async def test_a_broker_that_goes_away_meanwhile_deletes_nothing(depot, monkeypatch):
    ref = await depot.put(b"a blob")
    read = service.LogReader.read

    async def and_breaks(self, topic, ranges):
        async for record in read(self, topic, ranges):
            yield record
        if topic == depot.shop.topics.journal:
            raise BrokerUnavailable("gone")

    monkeypatch.setattr(service.LogReader, "read", and_breaks)
    with pytest.raises(BrokerUnavailable):
        await depot.prune()
    assert depot.file(ref).exists()


async def test_a_folder_that_nobody_has_written_to_is_empty(depot):
    pruned = await depot.prune()
    assert (pruned.blobs, pruned.deleted) == (NOTHING, NOTHING)


async def test_a_folder_that_is_a_file_is_refused(depot):
    depot.folder.write_bytes(b"")
    with pytest.raises(BlobFolderUnusable, match=r"blobs\.dir"):
        await depot.prune()
