"""Has logs compacted by a helper process when it is due, and puts the result in place."""

import asyncio
import shutil
import sys
from pathlib import Path

import orjson
import structlog

from stepwell.streams.broker.storage.compaction import Done, Plan
from stepwell.streams.broker.storage.log import PartitionLog
from stepwell.streams.broker.storage.segment import Segment
from stepwell.streams.broker.topic_configs import TopicRules

HELPER = "stepwell.streams.broker.storage.compaction"
FOLDER_PREFIX = "compacting-"

log = structlog.get_logger(__name__)


def due(found: PartitionLog, rules: TopicRules, now_ms: int) -> list[Segment]:
    """The segments of a log to go through now; none when it is not worth it yet."""
    segments: list[Segment] = []
    for segment in found.segments[:-1]:
        settled = segment.next_offset <= found.stable_offset and segment.checkpoint_path.exists()
        if not settled or segment.max_timestamp > now_ms - rules.min_compaction_lag_ms:
            break
        segments.append(segment)
    dirty = [segment for segment in segments if segment.cleaned_ms is None]
    total = sum(segment.size for segment in segments)
    if dirty:
        ratio = sum(segment.size for segment in dirty) / max(total, 1)
        oldest = min(segment.max_timestamp for segment in dirty)
        if (
            ratio >= rules.min_cleanable_dirty_ratio
            or now_ms - oldest > rules.max_compaction_lag_ms
        ):
            return segments
    horizon = now_ms - rules.delete_retention_ms
    stale = any(
        s.tombstones and s.cleaned_ms is not None and s.cleaned_ms <= horizon for s in segments
    )
    return segments if stale else []


async def compact(
    found: PartitionLog, segments: list[Segment], rules: TopicRules, now_ms: int
) -> None:
    """Compact segments of a log; what fails leaves the log as it was."""
    output = found.folder / f"{FOLDER_PREFIX}{now_ms}"
    plan = Plan(
        folder=str(found.folder),
        output=str(output),
        bases=[segment.base_offset for segment in segments],
        aborted=[list(row) for row in found.producers.aborted(0, found.stable_offset)],
        now_ms=now_ms,
        delete_retention_ms=rules.delete_retention_ms,
    )
    by_base = {segment.base_offset: segment for segment in segments}
    before = found.size
    helper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        HELPER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert helper.stdin
    assert helper.stdout
    assert helper.stderr
    complaint = asyncio.create_task(helper.stderr.read())
    try:
        helper.stdin.write(plan.encode())
        helper.stdin.close()
        async for line in helper.stdout:
            done = Done(**orjson.loads(line))
            _put_in_place(found, by_base[done.base], done, output)
        if await helper.wait():
            detail = (await complaint).decode(errors="replace")[-2000:]
            log.warning("compaction failed", folder=str(found.folder), detail=detail)
        else:
            log.debug("compacted", folder=str(found.folder), before=before, after=found.size)
    finally:
        complaint.cancel()
        if helper.returncode is None:
            helper.kill()
            await helper.wait()
        await asyncio.to_thread(shutil.rmtree, output, ignore_errors=True)


def _put_in_place(found: PartitionLog, old: Segment, done: Done, output: Path) -> None:
    if old not in found.segments or not old.path.exists():
        return  # retention, or the end of the topic, came first
    new = Segment(output, old.base_offset)
    old.close()
    if done.rewritten:
        new.path.replace(old.path)
    new.checkpoint_path.replace(old.checkpoint_path)
    placed = Segment(found.folder, old.base_offset)
    placed.restore()
    found.replace(old, placed)
    if not placed.size:
        found.drop(placed)


def remove_leftovers(folder: Path) -> None:
    """Remove what a crash left of a compaction."""
    for leftover in folder.glob(f"{FOLDER_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
