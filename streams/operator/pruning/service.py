"""`stepwell blobs prune`: deletes the blobs that nothing names any more.

What goes is old, and named by no record of any topic (committed or not) nor by a blob that stays.
Workers may do anything meanwhile: a reference that moves on to another record is met, for what came
during the reading is read last; one that is in no record yet was put lately, which renews its file.

Whether a file was renewed is looked at again when it is out of its place. A failure before that
deletes nothing.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stepwell.schemas.topics import Topics
from stepwell.streams.blob_files import (
    BlobPruning,
    FileCount,
    StoredFile,
    list_files,
    remove,
    usable,
)
from stepwell.streams.errors import TopicMismatch
from stepwell.streams.kafka.ranges import LogReader, open_log
from stepwell.streams.operator.pruning.naming import named_in, named_in_file
from stepwell.streams.settings import KafkaSettings, Settings
from stepwell.streams.wiring import security_of, topics_of

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Found:
    plan: BlobPruning
    doomed: Sequence[StoredFile]


async def plan_pruning(settings: Settings, older_than_ms: int) -> BlobPruning:
    """What would be deleted; changes nothing. Reads all topics, and the blobs that stay.

    Raises `BrokerUnavailable`, `TopicMismatch` when the topics cannot be those of the blobs, and
    `BlobFolderUnusable`.
    """
    return (await _look(settings, older_than_ms)).plan


async def prune_blobs(
    settings: Settings, older_than_ms: int, report: Callable[[int], None]
) -> BlobPruning:
    """Look once more and delete what is unreferenced; `report` hears how many files are gone.

    Raises as `plan_pruning` does; it may be asked again after a failure or Ctrl-C.
    """
    found, deleted = await _look(settings, older_than_ms), list[StoredFile]()
    for file in found.doomed:
        if await asyncio.to_thread(remove, file):
            deleted.append(file)
            report(len(deleted))
    return replace(found.plan, deleted=FileCount.of(deleted))


async def _look(settings: Settings, older_than_ms: int) -> _Found:
    directory = settings.blobs.dir
    before_ns = time.time_ns() - older_than_ms * _NS_PER_MS
    files = await asyncio.to_thread(list_files, directory)
    blobs = [file for file in files if file.sha256]
    old = {file.sha256: file for file in blobs if file.changed_ns < before_ns}
    parts = [file for file in files if not file.sha256 and file.changed_ns < before_ns]
    unnamed = set(old)
    if unnamed:
        unnamed -= await _named_in_log(settings.kafka, unnamed)
        unnamed = await asyncio.to_thread(_unnamed_by_others, directory, unnamed)
    unreferenced = [old[sha256] for sha256 in sorted(unnamed)]
    plan = BlobPruning(
        directory=str(directory),
        blobs=FileCount.of(blobs),
        too_young=FileCount.of([file for file in blobs if file.sha256 not in old]),
        referenced=FileCount.of([old[sha256] for sha256 in old.keys() - unnamed]),
        unreferenced=FileCount.of(unreferenced),
        parts=FileCount.of(parts),
    )
    return _Found(plan, [*unreferenced, *parts])


def _unnamed_by_others(directory: Path, unnamed: set[str]) -> set[str]:
    """Those that no blob that stays names: a result that is too large may be a list of others."""
    files = list_files(directory)  # anew: one that came meanwhile may name what a deleted one named
    left, by_hash = set(unnamed), {file.sha256: file for file in files}
    waiting = [file for file in files if file.sha256 not in left]
    while waiting and left:
        with usable():
            named = named_in_file(waiting.pop().path, left)
        left -= named
        waiting += [by_hash[sha256] for sha256 in named & by_hash.keys()]
    return left


async def _named_in_log(kafka: KafkaSettings, wanted: set[str]) -> set[str]:
    named: set[str] = set()
    # What is not committed yet, or never will be, may be a reference too.
    async with open_log(kafka.bootstrap, security_of(kafka), uncommitted=True) as log:
        partitions = await log.topics()
        own = topics_of(kafka)
        names = topics_to_read(partitions.keys(), own, kafka.bootstrap)
        read_until: dict[str, dict[int, int]] = {}
        for name in names:
            bounds = await log.bounds(name, partitions[name])
            read_until[name] = {at: each.end for at, each in bounds.items()}
            if name == own.instances_changelog and not any(read_until[name].values()):
                raise TopicMismatch(
                    f"{name} at {kafka.bootstrap} never held an instance: its deployment put no "
                    "blobs; are kafka.bootstrap, kafka.prefix and kafka.app_id those of blobs.dir?"
                )
        for name in names:
            ranges = dict.fromkeys(partitions[name], 0)
            named |= await _named_in_topic(log, name, ranges, read_until[name], wanted)
        for name in names:
            named |= await _named_in_topic(log, name, read_until[name], None, wanted)
    return named


async def _named_in_topic(
    log: LogReader,
    name: str,
    first: Mapping[int, int],
    end: Mapping[int, int] | None,
    wanted: set[str],
) -> set[str]:
    """Those named between two offsets of each partition, or from the first to what is there now."""
    named: set[str] = set()
    bounds = await log.bounds(name, list(first))
    ranges = {
        at: (max(first[at], each.earliest), each.end if end is None else end[at])
        for at, each in bounds.items()
    }
    async for record in log.read(name, ranges):
        headers = (part for pair in record.headers for part in (pair[0].encode(), pair[1]))
        parts = (record.key, record.value, *headers)
        named |= named_in(b"\n".join(part for part in parts if part), wanted)
    return named


def topics_to_read(there: Collection[str], own: Topics, bootstrap: str) -> list[str]:
    """The topics of this deployment, and of every other one of the broker.

    `blobs.dir` is the same for all who do not set it. Raises `TopicMismatch` if one of ours is not
    there: what it held cannot be known.
    """
    needed = [facts.name for facts in own.facts()]
    if missing := [name for name in needed if name not in there]:
        raise TopicMismatch(
            f"{', '.join(missing)} cannot be read at {bootstrap}: what is unused cannot be known; "
            "are kafka.bootstrap, kafka.prefix and kafka.app_id those of blobs.dir?"
        )
    found = set(needed)
    for name in there:
        prefix, app_id = name.removesuffix(".journal"), name.removesuffix("-history-changelog")
        other = Topics(prefix)
        if prefix != name and other.lifecycle in there:
            found.update((other.events, name, other.dead_letters, other.lifecycle))
        elif app_id != name:
            found.update((name, Topics(app_id=app_id).instances_changelog))
    return sorted(found & set(there))
