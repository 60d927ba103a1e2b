"""Starts a re-index and tells how far it is. The work itself is a workflow of the workers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from pydantic import TypeAdapter, ValidationError

from stepwell.schemas.events import Json
from stepwell.schemas.github import REPO
from stepwell.schemas.parts import Lane
from stepwell.streams.blobs import BlobStore
from stepwell.streams.errors import (
    BrokerUnavailable,
    InstanceExists,
    InstanceNotFound,
    InvalidRequest,
)
from stepwell.streams.gateway.api import Describe
from stepwell.streams.gateway.api_bodies import invalid
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.reindexing import ReindexRequest
from stepwell.streams.operator.control import open_control
from stepwell.streams.operator.queries import describe_instance
from stepwell.streams.settings import Settings
from stepwell.streams.views import InstanceDetails, ReindexStarted, ReindexView, StepView
from stepwell.streams.wiring import blob_store
from stepwell.streams.workflows.reindex import Indexed, Reindex, ReindexDocuments
from stepwell.streams.workflows.reindex_batch import Outcomes

GITHUB = "github:"
LOOK_EVERY_S = 1.0
MISSES_MAX = 60
"""So many looks in a row may find no broker."""
_COPY_BYTES = 1024 * 1024
_COMPLETE = "complete"
"""Of an instance, and of a step."""
_AT_REST = (_COMPLETE, "errored", "terminated", "paused")
_REQUEST = TypeAdapter(ReindexRequest)
_TASK, _INDEXED = TypeAdapter(Reindex), TypeAdapter(Indexed)
_COUNT, _OUTCOMES = TypeAdapter(int), TypeAdapter(Outcomes)


@dataclass(frozen=True, slots=True)
class Reindexes:
    """Starts them, for the command line and for the gateway."""

    control: Control
    describe: Describe
    blobs: BlobStore

    async def start(
        self, request: ReindexRequest, content: AsyncIterator[bytes] | None = None
    ) -> ReindexStarted:
        """Copy the content, if there is any, and start; doing so again under an id does nothing.

        Raises `InvalidRequest`, and `InstanceExists` when the id is that of another re-index.
        """
        task = await self._task(request, content)
        name, params = ReindexDocuments.name, _TASK.dump_python(task, mode="json")
        try:
            receipt = await self.control.create(
                name, params, instance_id=request.id, lane=Lane.BULK
            )
        except InstanceExists:
            assert request.id is not None
            found = await self.describe(name, request.id)
            if found is None or not _is_asked_again(task, found.params):
                raise
            return ReindexStarted(request.id, task.source, task.documents, existed=True)
        return ReindexStarted(receipt.instance_id, task.source, task.documents)

    async def _task(self, request: ReindexRequest, content: AsyncIterator[bytes] | None) -> Reindex:
        repo, file, documents = "", None, None
        if content is None:
            repo = request.source.removeprefix(GITHUB)
            is_path = bool({".", ".."} & set(repo.split("/")))
            if not request.source.startswith(GITHUB) or not REPO.fullmatch(repo) or is_path:
                raise InvalidRequest(f"source {request.source!r} is not {GITHUB}owner/name")
        else:
            lines = _Lines()
            file = await self.blobs.put(lines.counted(content))
            documents = lines.count
        return Reindex(
            request.source,
            file=file,
            repo=repo,
            documents=documents,
            into=request.into,
            rate=request.rate,
            prune=request.prune,
        )


async def start_reindex(
    settings: Settings, source: str, file: IO[bytes] | None, **options: object
) -> ReindexStarted:
    """Start the re-index of a file, or of the repository that the source names.

    The options are the other fields of `ReindexRequest`; raises `InvalidRequest`.
    """
    try:
        request = _REQUEST.validate_python({"source": source} | options)
    except ValidationError as error:
        raise invalid(error) from None
    async with open_control(settings) as control:
        reindexes = reindexes_of(settings, control)
        return await reindexes.start(request, _chunks(file) if file else None)


def reindexes_of(settings: Settings, control: Control) -> Reindexes:
    """Those of this deployment."""

    async def describe(workflow: str, instance_id: str) -> InstanceDetails | None:
        return await describe_instance(settings, workflow, instance_id)

    return Reindexes(control, describe, blob_store(settings))


async def follow_reindex(
    settings: Settings, instance_id: str, report: Callable[[ReindexView], None]
) -> ReindexView:
    """Report how far it is until it has ended or is paused; raises `InstanceNotFound`."""

    async def look() -> InstanceDetails:
        found = await describe_instance(settings, ReindexDocuments.name, instance_id)
        if found is None:
            raise InstanceNotFound(f"there is no re-index {instance_id}")
        return found

    return await watch(look, report)


async def watch(
    look: Callable[[], Awaitable[InstanceDetails]],
    report: Callable[[ReindexView], None],
    *,
    every_s: float = LOOK_EVERY_S,
) -> ReindexView:
    """Look again and again; a broker that was there and is away is waited for, for a while."""
    misses = MISSES_MAX
    while True:
        try:
            view = view_of(await look())
        except BrokerUnavailable:
            misses += 1
            if misses > MISSES_MAX:
                raise
        else:
            misses = 0
            report(view)
            if view.status in _AT_REST:
                return view
        await asyncio.sleep(every_s)


def view_of(details: InstanceDetails) -> ReindexView:
    """How far it is, from its records."""
    task = _task_of(details.params)
    if details.summary.status == _COMPLETE:
        outcomes = _OUTCOMES.validate_python(details.output)
    else:
        outcomes = Outcomes.total((task.outcomes, *_outcomes(details.steps)))
    summary = details.summary
    return ReindexView(
        instance_id=summary.instance_id,
        status=summary.status,
        source=task.source,
        collection=task.into or _chosen(details.steps),
        documents=task.documents,
        stored=outcomes.stored,
        stale=outcomes.stale,
        skipped=outcomes.skipped,
        failed=outcomes.failed,
        pruned=outcomes.pruned,
        failures=tuple(f"{each.document}: {each.reason}" for each in outcomes.failures),
        note=outcomes.note,
        error=summary.error or summary.reason,
    )


def _outcomes(steps: Iterable[StepView]) -> Iterator[Outcomes]:
    for step in steps:
        if step.status == _COMPLETE and step.name == "index-batch":
            yield _INDEXED.validate_python(step.output).outcomes
        elif step.status == _COMPLETE and step.name == "remove":
            yield Outcomes(pruned=_COUNT.validate_python(step.output))


def _chosen(steps: Iterable[StepView]) -> str | None:
    outputs = (step.output for step in steps if step.name == "choose-collection")
    return next((output for output in outputs if isinstance(output, str)), None)


def _is_asked_again(task: Reindex, params: Json) -> bool:
    """Whether an instance with these parameters, of whichever run, does this task."""
    found = _task_of(params)
    into = (None, found.into) if task.into is None else (task.into,)
    same = (task.file, task.repo, task.prune) == (found.file, found.repo, found.prune)
    return same and found.into in into


def _task_of(params: Json) -> Reindex:
    try:
        return _TASK.validate_python(params)
    except ValidationError as error:
        raise InvalidRequest(f"the instance is no re-index: {invalid(error).args[0]}") from None


class _Lines:
    """Counts the lines of what passes."""

    def __init__(self) -> None:
        self._ends = 0
        self._is_open = False

    @property
    def count(self) -> int:
        return self._ends + self._is_open

    async def counted(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in content:
            self._ends += chunk.count(b"\n")
            self._is_open = not chunk.endswith(b"\n") if chunk else self._is_open
            yield chunk


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _COPY_BYTES):
        yield chunk
