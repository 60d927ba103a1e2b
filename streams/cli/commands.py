"""What the command line calls. The modules named below are the real thing, tests bring their own.

They are imported when a command runs: what they need is too slow for `stepwell --help`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from stepwell.schemas.commands import Command
    from stepwell.schemas.dead_letters import LetterId
    from stepwell.schemas.documents import Hit, SearchFilters
    from stepwell.schemas.event_lines import LineFormat
    from stepwell.schemas.events import Json
    from stepwell.schemas.json_schemas import Schema
    from stepwell.streams.blob_files import BlobPruning
    from stepwell.streams.gateway.bulk import BulkPlan, BulkProgress, BulkRequest, BulkResult
    from stepwell.streams.gateway.reindex_list import KnownReindex
    from stepwell.streams.gateway.replays import ReplayView
    from stepwell.streams.lists import (
        InstanceFilters,
        InstancePage,
        WorkflowStatistics,
        WorkflowView,
    )
    from stepwell.streams.ports import SearchMode
    from stepwell.streams.replay.asking import At, Pace, Request
    from stepwell.streams.replay.plan import Plan, Progress, Result, Ticket
    from stepwell.streams.settings import Settings
    from stepwell.streams.views import (
        Check,
        CheckedHistory,
        CollectionView,
        Explanation,
        Exported,
        ForgetPlan,
        Forgotten,
        InstanceDetails,
        InstanceSummary,
        LetterContent,
        LetterOutcome,
        LetterQuery,
        LetterView,
        LineRefused,
        Published,
        Receipt,
        ReindexStarted,
        ReindexView,
    )


class App(Protocol):
    """What `stepwell.streams.app` does; failures are `StepwellError`."""

    async def run_gateway(self, settings: "Settings", stop: asyncio.Event) -> None:
        """Serve webhooks until `stop` is set."""
        ...

    async def run_worker(self, settings: "Settings", stop: asyncio.Event) -> None:
        """Run workflows until `stop` is set."""
        ...

    async def search(
        self,
        settings: "Settings",
        query: str,
        filters: "SearchFilters",
        limit: int,
        mode: "SearchMode",
    ) -> "list[Hit]":
        """The documents that answer the query best, best first."""
        ...

    async def similar(
        self, settings: "Settings", key: str, filters: "SearchFilters", limit: int
    ) -> "list[Hit]":
        """The documents that mean what another one does, nearest first."""
        ...

    async def page_instances(
        self,
        settings: "Settings",
        filters: "InstanceFilters",
        *,
        limit: int,
        cursor: str | None,
        oldest_first: bool,
    ) -> "InstancePage":
        """The instances that are asked for, newest first, a page at a time."""
        ...

    def watch_instances(
        self, settings: "Settings", filters: "InstanceFilters", *, limit: int, oldest_first: bool
    ) -> "AsyncGenerator[InstancePage]":
        """The first page now, and again when anything has happened."""
        ...

    def watch_instance(
        self, settings: "Settings", workflow: str | None, instance_id: str
    ) -> "AsyncGenerator[InstanceDetails]":
        """An instance now, and again when anything has happened, until it has ended."""
        ...

    async def list_workflows(self, settings: "Settings") -> "list[WorkflowView]":
        """The workflows that have instances, and how many are in which status."""
        ...

    async def describe_workflow(
        self, settings: "Settings", name: str
    ) -> "WorkflowStatistics | None":
        """A workflow, and how its steps fared; None: it has no instances."""
        ...

    async def describe_instance(
        self, settings: "Settings", workflow: str | None, instance_id: str
    ) -> "InstanceDetails | None":
        """One instance with its steps; the id `latest` is the newest."""
        ...

    async def explain_instance(
        self, settings: "Settings", workflow: str | None, instance_id: str
    ) -> "Explanation":
        """Why an instance does not advance."""
        ...

    async def create_instance(
        self,
        settings: "Settings",
        workflow: str,
        params: "Json",
        *,
        instance_id: str | None,
        lane: str,
    ) -> "Receipt":
        """Start a workflow."""
        ...

    async def create_instances(
        self,
        settings: "Settings",
        workflow: str,
        wanted: "Sequence[tuple[str | None, Json]]",
        *,
        lane: str,
        report: Callable[[int], None],
    ) -> "list[Receipt]":
        """Start one for each id and parameters; those that exist are left out of the answer."""
        ...

    async def wait_for_instance(
        self, settings: "Settings", receipt: "Receipt"
    ) -> "InstanceSummary | None":
        """Wait until a created instance has ended or is paused; None: it was deleted."""
        ...

    async def tell_instance(
        self, settings: "Settings", workflow: str | None, instance_id: str, command: "Command"
    ) -> "Receipt":
        """Send a command; the id may be `latest`."""
        ...

    async def plan_bulk(self, settings: "Settings", request: "BulkRequest") -> "BulkPlan":
        """What would be done to which instances."""
        ...

    async def execute_bulk(
        self,
        settings: "Settings",
        request: "BulkRequest",
        *,
        bulk_id: str,
        expected: int,
        report: "Callable[[BulkProgress], None]",
    ) -> "BulkResult":
        """Do it; the same id again tells nobody twice."""
        ...

    async def export_instances(
        self,
        settings: "Settings",
        instance_ids: Sequence[str],
        *,
        workflow: str | None,
        all_running: bool,
        with_sensitive: bool,
    ) -> "Exported":
        """The histories of these instances, or of all that have not ended."""
        ...

    async def check_histories(
        self, settings: "Settings", lines: Iterable[bytes]
    ) -> "list[CheckedHistory]":
        """Replay exported histories on the workflows of the settings."""
        ...

    async def start_reindex(
        self, settings: "Settings", source: str, file: "IO[bytes] | None", **options: Any
    ) -> "ReindexStarted":
        """Start the re-index of a file, or of the repository that the source names."""
        ...

    async def follow_reindex(
        self, settings: "Settings", instance_id: str, report: "Callable[[ReindexView], None]"
    ) -> "ReindexView":
        """Report how far it is until it has ended or is paused."""
        ...

    async def list_dead_letters(
        self, settings: "Settings", query: "LetterQuery", limit: int | None
    ) -> "list[LetterView]":
        """The dead letters that fit, newest first."""
        ...

    async def show_dead_letter(self, settings: "Settings", letter: "LetterId") -> "LetterContent":
        """One dead letter with what is in it."""
        ...

    async def retry_dead_letters(
        self,
        settings: "Settings",
        letters: "Sequence[LetterId]",
        report: "Callable[[LetterOutcome], None]",
        note: str,
    ) -> "list[LetterOutcome]":
        """Put records back where they came from; `report` hears of each at once."""
        ...

    async def discard_dead_letters(
        self,
        settings: "Settings",
        letters: "Sequence[LetterId]",
        report: "Callable[[LetterOutcome], None]",
        note: str,
    ) -> "list[LetterOutcome]":
        """Mark dead letters as not to be retried; `report` hears of each at once."""
        ...

    async def plan_forgetting(self, settings: "Settings", subject: str) -> "ForgetPlan":
        """What there is of a subject."""
        ...

    async def forget_subject(
        self, settings: "Settings", subject: str, report: Callable[[str], None]
    ) -> "Forgotten":
        """Delete what there is of a subject; `report` hears of each part when it is done."""
        ...

    async def plan_pruning(self, settings: "Settings", older_than_ms: int) -> "BlobPruning":
        """Which blobs would be deleted."""
        ...

    async def prune_blobs(
        self, settings: "Settings", older_than_ms: int, report: Callable[[int], None]
    ) -> "BlobPruning":
        """Delete what nothing names any more; `report` hears how many files are gone."""
        ...

    def contract(self, settings: "Settings") -> "dict[str, Schema]":
        """Every public JSON Schema by name, and `asyncapi`."""
        ...

    async def publish(
        self,
        settings: "Settings",
        source: BinaryIO,
        line_format: "LineFormat",
        report: "Callable[[Published | LineRefused], None]",
    ) -> None:
        """Publish the lines of a stream, and tell of each what became of it."""
        ...

    async def describe_instance_at(
        self, settings: "Settings", workflow: str | None, instance_id: str, at: "At"
    ) -> "InstanceDetails":
        """One instance as it was at an offset or a time."""
        ...

    async def plan_replay(self, settings: "Settings", request: "Request") -> "Plan":
        """What a replay would do."""
        ...

    async def plan_again(self, settings: "Settings", replay_id: str) -> "Plan":
        """The plan of a replay that was begun, to go on with it."""
        ...

    async def execute_replay(
        self,
        settings: "Settings",
        ticket: "Ticket",
        pace: "Pace",
        *,
        wait: bool,
        report: "Callable[[Progress], None]",
    ) -> "Result":
        """Do what was planned."""
        ...

    async def list_replays(self, settings: "Settings") -> "list[ReplayView]":
        """The replays that were planned or done here, newest first."""
        ...

    async def show_replay(self, settings: "Settings", replay_id: str) -> "ReplayView":
        """One of them; the id may be `latest`."""
        ...

    async def list_reindexes(self, settings: "Settings", limit: int) -> "list[KnownReindex]":
        """The newest re-indexes, newest first."""
        ...

    async def list_collections(self, settings: "Settings") -> "list[CollectionView]":
        """The collections of the index, the current one first."""
        ...

    async def create_collection(
        self, settings: "Settings", name: str, model: str
    ) -> "CollectionView":
        """Make an empty collection for a model."""
        ...

    async def switch_collection(
        self, settings: "Settings", name: str, *, incomplete: bool
    ) -> "CollectionView":
        """Let searches go to this collection."""
        ...

    async def drop_collection(self, settings: "Settings", name: str) -> "CollectionView":
        """Delete a collection that is not current."""
        ...

    async def ensure_topics(self, settings: "Settings") -> list[str]:
        """Create missing topics, check the others; the names of those created."""
        ...

    async def doctor(self, settings: "Settings") -> "list[Check]":
        """Look at everything that Stepwell needs."""
        ...


def installed_app() -> App:
    """The real `App`."""
    from stepwell.streams import app

    return app
