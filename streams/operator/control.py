"""What an operator tells instances to do, and the histories that are taken of them."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from stepwell.schemas.commands import Command
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.events import Json
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.check import Recording, check_recording
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.gateway.control import Control, NewInstance
from stepwell.streams.gateway.requests import BATCH_MAX, check_address, check_workflow
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.operator.reading import follow_journal, open_read_model, the_one
from stepwell.streams.readmodel.follower import Follower
from stepwell.streams.readmodel.judging import ProjectedJournal
from stepwell.streams.runtime.clock import system_clock
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import Settings
from stepwell.streams.spans import NO_TRACING, Tracing
from stepwell.streams.views import CheckedHistory, Exported, InstanceSummary, Receipt
from stepwell.streams.wiring import RECORD_BYTES_MAX, load_factory, security_of, topics_of

LATEST = "latest"


@asynccontextmanager
async def open_control(
    settings: Settings, follower: Follower | None = None, tracing: Tracing = NO_TRACING
) -> AsyncIterator[Control]:
    """A `Control` on the journal, and on who reads it already; raises `BrokerUnavailable`."""
    kafka = settings.kafka
    publisher = EventPublisher(
        kafka.bootstrap,
        topics_of(kafka).journal,
        timeout_ms=settings.gateway.append_timeout_ms,
        record_bytes_max=RECORD_BYTES_MAX,
        security=security_of(kafka),
    )
    async with AsyncExitStack() as opened:
        opened.push_async_callback(publisher.stop)
        await publisher.start()
        if follower is None:
            follower = await opened.enter_async_context(follow_journal(settings))
        judging = ProjectedJournal(follower)
        yield Control(
            publisher,
            judging,
            clock=system_clock,
            new_id=lambda: str(uuid.uuid4()),
            tracing=tracing,
        )


async def create_instance(
    settings: Settings, workflow: str, params: Json, *, instance_id: str | None, lane: str
) -> Receipt:
    """Start a workflow; raises `InstanceExists`."""
    async with open_control(settings) as control:
        return await control.create(workflow, params, instance_id=instance_id, lane=lane)


async def create_instances(
    settings: Settings,
    workflow: str,
    wanted: Sequence[tuple[str | None, Json]],
    *,
    lane: str,
    report: Callable[[int], None],
) -> list[Receipt]:
    """Start one for each id (None: one is made up) and parameters; `report` hears how many were.

    Those that exist are left alone, and out of the answer.
    """
    receipts: list[Receipt] = []
    async with open_control(settings) as control:
        for start in range(0, len(wanted), BATCH_MAX):
            batch = [NewInstance(params, it) for it, params in wanted[start : start + BATCH_MAX]]
            receipts += await control.create_batch(workflow, batch, lane=lane)
            report(start + len(batch))
    return receipts


async def wait_for_instance(settings: Settings, receipt: Receipt) -> InstanceSummary | None:
    """Wait until a created instance has ended or is paused; None: it was deleted."""
    async with open_control(settings) as control:
        return await control.wait(receipt)


async def tell_instance(
    settings: Settings, workflow: str | None, instance_id: str, command: Command
) -> Receipt:
    """Send a command; the id may be `latest`, and `workflow` None when the id says enough."""
    check_address(instance_id)
    if workflow is None or instance_id == LATEST:
        async with open_read_model(settings) as model:
            key = the_one(model, workflow, instance_id)
    else:
        key = InstanceKey(check_workflow(workflow), instance_id)
    async with open_control(settings) as control:
        return await control.tell(key, command)


async def export_instances(
    settings: Settings,
    instance_ids: Sequence[str],
    *,
    workflow: str | None,
    all_running: bool,
    with_sensitive: bool,
) -> Exported:
    """The histories of these instances, or of all that have not ended."""
    async with open_read_model(settings) as model:
        keys = [the_one(model, workflow, instance_id) for instance_id in instance_ids]
        if all_running:
            keys += model.unfinished(workflow)
        recordings = [found for key in dict.fromkeys(keys) if (found := model.recording(key))]
    shown = [found for found in recordings if with_sensitive or not found.sensitive]
    left_out = tuple(str(found.key) for found in recordings if found not in shown)
    return Exported(tuple(found.encode() for found in shown), left_out)


async def check_histories(settings: Settings, lines: Iterable[bytes]) -> list[CheckedHistory]:
    """Replay exported histories on the workflows of the settings; raises `JournalCorrupt`."""
    checked = []
    async with open_workflows(settings) as workflows:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                recording = Recording.decode(line)
            except JournalCorrupt as error:
                raise JournalCorrupt(f"line {number}: {error}") from error
            checked.append(_checked(workflows, recording))
    return checked


def _checked(workflows: Workflows, recording: Recording) -> CheckedHistory:
    instance = str(recording.key)
    workflow = workflows.create(recording.key.workflow)
    if workflow is None:
        name = recording.key.workflow
        return CheckedHistory(instance, ok=False, expected="no such workflow", found=name)
    diverged = check_recording(workflow, recording)
    if diverged is None:
        return CheckedHistory(instance, ok=True)
    return CheckedHistory(instance, ok=False, expected=diverged.expected, found=diverged.found)


@asynccontextmanager
async def open_workflows(settings: Settings) -> AsyncIterator[Workflows]:
    """Those that the settings name; a workflow class stands for itself, without bindings."""
    factory = load_factory(settings.worker.workflows)
    named: object = factory
    if isinstance(named, type) and issubclass(named, Workflow):
        yield Workflows([(named, None)])
        return
    async with factory(settings) as workflows:
        yield workflows
