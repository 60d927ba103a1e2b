"""The command line on an app and models of our own, which remember what they were asked."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

import pytest
from click.testing import CliRunner, Result

from stepwell.models import Preset, VerifyReport, find_preset
from stepwell.schemas.commands import Command
from stepwell.schemas.documents import Document, Hit, SearchFilters
from stepwell.schemas.event_lines import LineFormat
from stepwell.schemas.events import Json
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from stepwell.streams.ports import SearchMode
from stepwell.streams.settings import Settings
from stepwell.streams.stretches import AttemptView
from stepwell.streams.views import (
    Cause,
    Check,
    CheckedHistory,
    CollectionView,
    EventView,
    Explanation,
    Exported,
    InstanceDetails,
    InstanceSummary,
    LineRefused,
    Ownership,
    Published,
    Receipt,
    ReindexStarted,
    ReindexView,
    StepView,
)
from tests.cli.fake_blobs import FakeBlobs
from tests.cli.fake_letters import FakeLetters
from tests.cli.fake_lists import SUMMARY, FakeLists
from tests.cli.fake_replays import FakeReplays

HIT = Hit(
    Document(
        key="github:acme/site#42",
        type="issue",
        repo="acme/site",
        number=42,
        title="Login fails \x1b[31mon Safari",
        body="It does.",
        state="open",
        url="https://github.com/acme/site/issues/42",
        updated_at="2026-01-02T03:04:05Z",
        labels=("bug",),
    ),
    score=0.87654,
    model="all-MiniLM-L6-v2",
)
DETAILS = InstanceDetails(
    SUMMARY,
    params={"number": 42},
    output={"status": "stored"},
    steps=(
        StepView("fetch-content", 1, "succeeded", 1, 1_767_225_600_000, 1_767_225_600_100, "text"),
        StepView(
            "upsert-vector",
            1,
            "failed",
            3,
            error="IndexUnavailable: no answer",
            attempts_made=(
                AttemptView(1, "lost", 1_767_225_600_000),
                AttemptView(2, "failed", 1_767_225_601_000, 1_767_225_602_000, "Slow: it was"),
                AttemptView(3, "failed", 1_767_225_603_000, 1_767_225_604_000, "Slow: again"),
            ),
        ),
        StepView(
            "approval",
            1,
            "waiting",
            1,
            1_767_225_600_000,
            kind="wait",
            until_ms=1_767_312_000_000,
            event_type="approved",
            match={"order": 7},
        ),
        StepView("ship", 1, "running", 1, kind="child", child="shipping/s-1"),
    ),
    events=(EventView("approved", {"by": "ann"}, 1_767_225_600_000, "e-1", None),),
)
RECEIPT = Receipt("embed-issue", "delivery-1", "c-1", "accepted", "running", "it is running", 3, 42)
EXPLANATION = Explanation(
    "embed-issue/delivery-1",
    "waiting",
    Ownership("stepwell.journal", 3, "worker-1 at 10.0.0.7", 2),
    (
        Cause(
            "event",
            "approval-1 waits for event 'approved'",
            "stepwell instances send-event delivery-1 --type approved",
        ),
    ),
)
REINDEX_STARTED = ReindexStarted("r-1", "docs.jsonl", 3)
REINDEX = ReindexView("r-1", "complete", "docs.jsonl", "Docs", 3, stored=2, stale=1)
COLLECTIONS = [
    CollectionView("StepwellDocument", "mini@1", 384, 1200, current=True),
    CollectionView("Next\x1b[31m", "large@1", 1024, 1100, current=False),
]
EXPORTED = Exported((b'{"v":1}',), ("embed-issue/secret",))


@dataclass
class FakeApp(FakeBlobs, FakeLetters, FakeLists, FakeReplays):
    """An `App` that answers from its fields, or raises what it was told to."""

    hits: list[Hit] = field(default_factory=lambda: [HIT])
    details: InstanceDetails | None = DETAILS
    checks: list[Check] = field(default_factory=lambda: [Check("broker", True, "3.9 ms")])
    created: list[str] = field(default_factory=list)
    receipt: Receipt = RECEIPT
    end: InstanceSummary | None = SUMMARY
    exported: Exported = EXPORTED
    checked: list[CheckedHistory] = field(default_factory=list)
    reindex_started: ReindexStarted = REINDEX_STARTED
    reindex_views: list[ReindexView] = field(default_factory=lambda: [REINDEX])
    followed: list[str] = field(default_factory=list)
    interrupted: bool = False
    outcomes: tuple[Published | LineRefused, ...] = ()
    error: BaseException | None = None
    settings: Settings | None = None
    asked: tuple[object, ...] = ()

    def _answer(self, settings: Settings, *asked: object) -> None:
        self.settings, self.asked = settings, asked
        if self.error:
            raise self.error

    async def run_gateway(self, settings: Settings, stop: asyncio.Event) -> None:
        self._answer(settings, "gateway")

    async def run_worker(self, settings: Settings, stop: asyncio.Event) -> None:
        self._answer(settings, "worker")

    async def search(
        self,
        settings: Settings,
        query: str,
        filters: SearchFilters,
        limit: int,
        mode: SearchMode,
    ) -> list[Hit]:
        self._answer(settings, query, filters, limit, mode)
        return self.hits

    async def similar(
        self, settings: Settings, key: str, filters: SearchFilters, limit: int
    ) -> list[Hit]:
        self._answer(settings, key, filters, limit)
        return self.hits

    async def describe_instance(
        self, settings: Settings, workflow: str | None, instance_id: str
    ) -> InstanceDetails | None:
        self._answer(settings, workflow, instance_id)
        return self.details

    async def explain_instance(
        self, settings: Settings, workflow: str | None, instance_id: str
    ) -> Explanation:
        self._answer(settings, workflow, instance_id)
        return EXPLANATION

    async def create_instance(
        self,
        settings: Settings,
        workflow: str,
        params: Json,
        *,
        instance_id: str | None,
        lane: str,
    ) -> Receipt:
        self._answer(settings, workflow, params, instance_id, lane)
        return self.receipt

    async def create_instances(
        self,
        settings: Settings,
        workflow: str,
        wanted: Sequence[tuple[str | None, Json]],
        *,
        lane: str,
        report: Callable[[int], None],
    ) -> list[Receipt]:
        report(1)
        self._answer(settings, workflow, wanted, lane)
        return [self.receipt]

    async def wait_for_instance(
        self, settings: Settings, receipt: Receipt
    ) -> InstanceSummary | None:
        self._answer(settings, receipt)
        return self.end

    async def tell_instance(
        self, settings: Settings, workflow: str | None, instance_id: str, command: Command
    ) -> Receipt:
        self._answer(settings, workflow, instance_id, command)
        return self.receipt

    async def export_instances(
        self,
        settings: Settings,
        instance_ids: Sequence[str],
        *,
        workflow: str | None,
        all_running: bool,
        with_sensitive: bool,
    ) -> Exported:
        self._answer(settings, instance_ids, workflow, all_running, with_sensitive)
        return self.exported

    async def check_histories(
        self, settings: Settings, lines: Iterable[bytes]
    ) -> list[CheckedHistory]:
        self._answer(settings, list(lines))
        return self.checked

    async def start_reindex(
        self, settings: Settings, source: str, file: IO[bytes] | None, **options: Any
    ) -> ReindexStarted:
        content = file.read() if file else None
        self._answer(settings, source, content, options)
        return self.reindex_started

    async def follow_reindex(
        self, settings: Settings, instance_id: str, report: Callable[[ReindexView], None]
    ) -> ReindexView:
        self.followed.append(instance_id)
        for view in self.reindex_views:
            report(view)
        if self.interrupted:
            raise KeyboardInterrupt
        return self.reindex_views[-1]

    def contract(self, settings: Settings) -> dict[str, dict[str, object]]:
        self._answer(settings)
        return {"cloudevent": {"$id": "urn:x"}, "asyncapi": {"asyncapi": "3.0.0"}}

    async def publish(
        self,
        settings: Settings,
        source: BinaryIO,
        line_format: LineFormat,
        report: Callable[[Published | LineRefused], None],
    ) -> None:
        for outcome in self.outcomes:
            report(outcome)
        self._answer(settings, source.read(), line_format)

    async def list_collections(self, settings: Settings) -> list[CollectionView]:
        self._answer(settings)
        return COLLECTIONS

    async def create_collection(self, settings: Settings, name: str, model: str) -> CollectionView:
        self._answer(settings, name, model)
        return COLLECTIONS[1]

    async def switch_collection(
        self, settings: Settings, name: str, *, incomplete: bool
    ) -> CollectionView:
        self._answer(settings, name, incomplete)
        return COLLECTIONS[1]

    async def drop_collection(self, settings: Settings, name: str) -> CollectionView:
        self._answer(settings, name)
        return COLLECTIONS[1]

    async def ensure_topics(self, settings: Settings) -> list[str]:
        self._answer(settings)
        return self.created

    async def doctor(self, settings: Settings) -> list[Check]:
        self._answer(settings)
        return self.checks


@dataclass
class FakeModels:
    """`Models` that pull nothing, and verify as they are told."""

    passed: bool = True
    asked: tuple[object, ...] = ()

    def find_preset(self, name: str) -> Preset:
        return find_preset(name)

    def model_directory(self, name: str) -> Path:
        return Path("cache") / name

    def pull(
        self,
        preset: Preset,
        destination: Path | None,
        *,
        source: Path | None,
        report: Callable[[str], None],
    ) -> Path:
        self.asked = (preset.name, destination, source)
        report("fetching")
        return destination or self.model_directory(preset.name)

    def verify(self, directory: Path, reference: None) -> VerifyReport:
        self.asked = (directory,)
        return VerifyReport(
            "all-MiniLM-L6-v2@1", 384, 8, 1, 1e-7, 1.0, True, close=self.passed, int8="none"
        )


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
def models() -> FakeModels:
    return FakeModels()


@pytest.fixture
def stepwell(app: FakeApp, models: FakeModels, tmp_path: Path) -> Callable[..., Result]:
    """Runs a command line in an empty directory and environment."""

    def run(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
        invocation = Invocation(
            app=lambda: app, models=lambda: models, environ=environ, directory=tmp_path
        )
        runner = CliRunner()
        return runner.invoke(cli, arguments, input=stdin, obj=invocation, prog_name="stepwell")

    return run
