"""`stepwell forget`: all that was made of a subject is deleted; what cannot be is listed.

The log is append-only. Instances are deleted by command, their rows by the tombstones of whoever
owns them; documents leave the index for good; dead letters are marked. Records stay in topics until
their retention, and rows in changelogs until these are compacted.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from stepwell.schemas.dead_letters import LetterId
from stepwell.schemas.documents import Removal
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.deadletters.service import discard_dead_letters, list_dead_letters
from stepwell.streams.gateway.requests import BATCH_MAX
from stepwell.streams.index.factory import make_directory, make_index
from stepwell.streams.kafka.admin import inspect_topics
from stepwell.streams.kafka.follow import follow
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.operator.control import open_control
from stepwell.streams.operator.forgetting.traces import Kept, LogRecord, Traces
from stepwell.streams.ports import Scrubs
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.settings import Settings
from stepwell.streams.views import ForgetPlan, Forgotten, LetterQuery, Receipt
from stepwell.streams.wiring import security_of, topics_of

ROWS_TIMEOUT_MS = 15_000
"""How long workers get to delete the rows of deleted instances before that is reported open."""
NOTE = "forgotten"
UNSCRUBBED = "unscrubbed"
"""The document is gone, but a reader kept its bytes from being overwritten."""

Report = Callable[[str], None]


async def plan_forgetting(settings: Settings, subject: str) -> ForgetPlan:
    """What there is of a subject; changes nothing. Reads all topics."""
    topics, traces = topics_of(settings.kafka), Traces(subject)
    await asyncio.gather(
        _read(settings, topics.events, traces.take_event),
        _read(settings, topics.journal, traces.take_journal),
    )
    traces.settle(topics.journal)
    keyed = (topics.lifecycle, topics.instances_changelog, topics.history_changelog)
    await asyncio.gather(
        _read(settings, topics.dead_letters, traces.take_letter),
        *(_read(settings, topic, traces.take_keyed) for topic in keyed),
    )
    letters, about = await asyncio.gather(
        list_dead_letters(settings, LetterQuery()),
        list_dead_letters(settings, LetterQuery(subject=subject)),
    )
    instances = set(traces.instances)
    names = {each.letter for each in about} | {
        each.letter for each in letters if f"{each.workflow}/{each.instance}" in instances
    }
    return ForgetPlan(
        subject=subject,
        instances=tuple(sorted(instances)),
        letters=tuple(sorted(names)),
        touched=tuple(traces.touched),
        remains=tuple(traces.remains(await _kept(settings))),
    )


async def forget_subject(
    settings: Settings, subject: str, report: Report, *, rows_timeout_ms: int = ROWS_TIMEOUT_MS
) -> Forgotten:
    """Delete what there is of a subject; `report` hears of each part when it is done.

    Every part may be repeated: after a failure or Ctrl-C, ask again.
    """
    plan = await plan_forgetting(settings, subject)
    deleted = await _delete_instances(settings, plan.instances)
    report(f"{len(deleted)} instances deleted")
    documents = await _remove_documents(settings, subject)
    report(f"document removed from {len(documents)} collections")
    letters = [LetterId.parse(letter) for letter in plan.letters]
    outcomes = await discard_dead_letters(settings, letters, lambda _: None, NOTE)
    report(f"{len(outcomes)} dead letters discarded")
    rows_deleted = await _rows_deleted(settings, plan.instances, rows_timeout_ms)
    after = await plan_forgetting(settings, subject)
    return Forgotten(
        subject=subject,
        deleted=tuple(f"{each.workflow}/{each.instance_id}" for each in deleted),
        documents=documents,
        discarded=tuple(outcome.letter for outcome in outcomes if outcome.done),
        rows_deleted=rows_deleted,
        touched=after.touched,
        remains=after.remains,
    )


async def _delete_instances(settings: Settings, instances: Sequence[str]) -> list[Receipt]:
    """Those that were there, with where their deletion lies."""
    ids: dict[str, list[str]] = {}
    for instance in instances:
        key = InstanceKey.decode(instance.encode())
        ids.setdefault(key.workflow, []).append(key.instance)
    deleted: list[Receipt] = []
    async with open_control(settings) as control:
        for workflow, found in ids.items():
            for at in range(0, len(found), BATCH_MAX):
                receipts = await control.delete_batch(workflow, found[at : at + BATCH_MAX])
                deleted += [receipt for receipt in receipts if receipt.accepted]
    return deleted


async def _remove_documents(settings: Settings, subject: str) -> dict[str, str]:
    """What became of the document, by collection. Every write that is older is refused later."""
    own, outcomes = settings.index, dict[str, str]()
    now = datetime.fromtimestamp(system_clock() / 1000, UTC).isoformat()
    store = make_directory(own.url, own.collection)
    try:
        directory = await store.read()
    finally:
        await store.close()
    for one in directory.collections if directory else ():
        index = make_index(own.url, one.name, one.dimension, first=own.collection)
        try:
            await index.open()
            (outcome,) = await index.remove([Removal(subject, now)])
            scrubbed = not isinstance(index, Scrubs) or await index.scrub()
        finally:
            await index.close()
        outcomes[one.name] = outcome.status.value if scrubbed else UNSCRUBBED
    return outcomes


async def _rows_deleted(settings: Settings, instances: Iterable[str], timeout_ms: int) -> bool:
    """Whether workers have put tombstones over the rows of these, or do so in a while."""
    wanted = {instance.encode() for instance in instances}
    kafka, left, ends = settings.kafka, dict[int, set[bytes]](), dict[int, int]()
    topic = topics_of(kafka).instances_changelog

    def take(record: LogRecord) -> None:
        if record.key in wanted:
            rows = left.setdefault(record.partition, set())
            (rows.discard if record.value is None else rows.add)(record.key)

    def look(record: LogRecord) -> None:
        take(record)
        ends[record.partition] = record.offset

    async def follow_partition(partition: int) -> None:
        def visit(record: LogRecord) -> bool:
            take(record)
            return record.offset > ends[partition] and not left[partition]

        await follow(kafka.bootstrap, topic, partition, visit, security=security_of(kafka))

    await _read(settings, topic, look)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await asyncio.gather(*(follow_partition(at) for at, rows in left.items() if rows))
    except TimeoutError:
        return False
    return True


async def _read(settings: Settings, topic: str, visit: Callable[..., None]) -> None:
    kafka = settings.kafka
    await read_tail(
        kafka.bootstrap, topic, visit, count_max=sys.maxsize, security=security_of(kafka)
    )


async def _kept(settings: Settings) -> dict[str, Kept]:
    kafka = settings.kafka
    findings = await inspect_topics(
        kafka.bootstrap, topics_of(kafka).facts(), security=security_of(kafka)
    )
    return {
        found.facts.name: Kept(None, compacted=True)
        if "compact" in found.state.cleanup_policy
        else Kept(found.state.retention_ms)
        for found in findings
        if found.state
    }
