"""`stepwell explain`: why an instance does not advance, and what to do about it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InstanceNotFound
from stepwell.streams.kafka.ranges import open_log, partition_of
from stepwell.streams.operator.queries import describe_instance
from stepwell.streams.runtime.clock import Clock, system_clock
from stepwell.streams.runtime.rows import DIVERGED, QUARANTINED, UNKNOWN_WORKFLOW
from stepwell.streams.settings import Settings
from stepwell.streams.views import Cause, Explanation, InstanceDetails, Ownership, StepView
from stepwell.streams.wiring import security_of, topics_of

BEHIND = 100
"""A worker that has so many records of the partition before it is behind."""
OWNERS_KEPT_MS = 2_000
"""So long an answer of the broker counts for all who look at instances of that partition."""

_PAUSED = {
    DIVERGED: (
        "diverged",
        "run the code that began it, or mark the change with step.patched, and restart the worker",
    ),
    UNKNOWN_WORKFLOW: (
        "unknown-workflow",
        "start a worker that carries this workflow (worker.workflows)",
    ),
    QUARANTINED: (
        "poison",
        "a step takes the worker down: mend it, then stepwell instances resume {id}",
    ),
}
_ENDED = {
    Status.COMPLETE: "stepwell instances restart {id} runs it again",
    Status.ERRORED: "stepwell instances restart {id} --from-step STEP goes on from a step",
    Status.TERMINATED: "stepwell instances restart {id} runs it again",
}


async def explain_instance(
    settings: Settings, workflow: str | None, instance_id: str
) -> Explanation:
    """Look at an instance and at who carries it; raises `InstanceNotFound`."""
    details = await describe_instance(settings, workflow, instance_id)
    if details is None:
        raise InstanceNotFound(f"there is no instance {instance_id}")
    return await Explainer(settings).explain(details)


LookUp = Callable[[Settings, int], Awaitable[Ownership]]
"""Who carries a partition of the journal, and how far behind that is."""


class Explainer:
    """Explains instances that were looked at, to many: the broker is asked once in a while."""

    def __init__(
        self,
        settings: Settings,
        look_up: LookUp | None = None,
        *,
        clock: Clock = system_clock,
        kept_ms: int = OWNERS_KEPT_MS,
    ) -> None:
        self._settings = settings
        self._look_up = look_up or _look_up_owner
        self._clock = clock
        self._kept_ms = kept_ms
        self._known: dict[int, tuple[int, Ownership]] = {}
        self._asking = asyncio.Lock()

    async def explain(self, details: InstanceDetails) -> Explanation:
        """Why it does not advance; raises `BrokerUnavailable`."""
        summary = details.summary
        key = f"{summary.workflow}/{summary.instance_id}"
        partition = partition_of(key.encode(), range(self._settings.kafka.partitions))
        ownership = await self._ownership(partition)
        return Explanation(key, summary.status, ownership, tuple(why(details, ownership)))

    async def _ownership(self, partition: int) -> Ownership:
        async with self._asking:
            at_ms, known = self._known.get(partition, (0, None))
            if known is None or not 0 <= self._clock() - at_ms < self._kept_ms:
                known = await self._look_up(self._settings, partition)
                self._known[partition] = self._clock(), known
            return known


async def _look_up_owner(settings: Settings, partition: int) -> Ownership:
    kafka = settings.kafka
    journal = topics_of(kafka).journal
    async with open_log(kafka.bootstrap, security_of(kafka)) as log:
        end = (await log.bounds(journal, [partition]))[partition].end
        committed = (await log.committed(kafka.app_id)).get((journal, partition), 0)
        owner = await log.owner(kafka.app_id, journal, partition)
    return Ownership(journal, partition, owner, max(0, end - committed))


def why(details: InstanceDetails, ownership: Ownership) -> Iterator[Cause]:
    """What holds it up, what matters most first; nothing: it is on its way."""
    summary = details.summary
    status, name = Status(summary.status), summary.instance_id
    if status.terminal:
        what = f"it has ended: {status}" + (f", {summary.error}" if summary.error else "")
        yield Cause("ended", what, _ENDED[status].format(id=name))
        return
    if status is Status.PAUSED:
        yield _paused(summary.reason or "", name)
    if ownership.owner is None:
        what = f"no worker owns partition {ownership.partition} of {ownership.topic}"
        yield Cause("no-owner", what, "stepwell worker starts one; stepwell doctor looks further")
    elif ownership.behind >= BEHIND:
        what = f"{ownership.owner} has {ownership.behind} records of its partition before it"
        yield Cause("behind", what, "start more workers, or wait")
    if status is Status.QUEUED:
        limit = summary.reason or "it has not been started yet"
        yield Cause("limit", f"it is queued: {limit}", "wait, or raise that limit")
    for step in details.steps:
        if step.finished_ms is None:
            yield from _held_by(step, name)
    if status is Status.WAITING_FOR_PAUSE:
        yield Cause("pausing", "it pauses when the steps that run have ended", "wait for them")


def _paused(reason: str, name: str) -> Cause:
    kind, _, detail = reason.partition(": ")
    if kind in _PAUSED:
        code, advice = _PAUSED[kind]
        return Cause(code, f"it is paused: {detail or kind}", advice.format(id=name))
    return Cause("pause", f"it is paused: {reason}", f"stepwell instances resume {name}")


def _held_by(step: StepView, name: str) -> Iterator[Cause]:
    label = f"{step.name}-{step.occurrence}"
    if step.status == "sleeping":
        yield Cause("timer", f"{label} sleeps until {_when(step.until_ms)}", "wait")
    elif step.status == "waiting":
        match = f" with {step.match}" if step.match else ""
        what = f"{label} waits for event {step.event_type!r}{match} until {_when(step.until_ms)}"
        advice = f"stepwell instances send-event {name} --type {step.event_type}"
        yield Cause("event", what, advice)
    elif step.status == "retrying":
        what = f"attempt {step.attempts} of {label} failed; the next one: {_when(step.until_ms)}"
        advice = "wait, or mend what failed"
        is_index = (step.error or "").startswith("IndexUnavailable")
        if is_index:
            advice = "the index is down: stepwell doctor"
        yield Cause("index-down" if is_index else "retry", f"{what}: {step.error}", advice)
    elif step.child is not None:
        yield Cause("child", f"{label} waits for {step.child}", f"stepwell explain {step.child}")
    else:
        yield Cause("running", f"{label} runs, attempt {step.attempts}", "wait")


def _when(ms: int | None) -> str:
    return (
        "?" if ms is None else f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
