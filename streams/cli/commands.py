"""What the command line calls. The modules named below are the real thing, tests bring their own.

They are imported when a command runs: what they need is too slow for `stepwell --help`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stepwell.models import BenchmarkReport, ModelSummary, Preset, VerifyReport
    from stepwell.models.arrays import Vectors
    from stepwell.models.manifest import Manifest
    from stepwell.schemas.commands import Command
    from stepwell.schemas.documents import Hit, SearchFilters
    from stepwell.schemas.events import Json
    from stepwell.streams.ports import SearchMode
    from stepwell.streams.settings import Settings
    from stepwell.streams.views import (
        Check,
        CheckedHistory,
        Exported,
        InstanceDetails,
        InstanceSummary,
        Receipt,
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

    async def list_instances(
        self,
        settings: "Settings",
        *,
        workflow: str | None = None,
        status: str | None = None,
        limit: int = 50,
    ) -> "list[InstanceSummary]":
        """The newest instances, newest first."""
        ...

    async def describe_instance(
        self, settings: "Settings", workflow: str | None, instance_id: str
    ) -> "InstanceDetails | None":
        """One instance with its steps; the id `latest` is the newest."""
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

    async def ensure_topics(self, settings: "Settings") -> list[str]:
        """Create missing topics, check the others; the names of those created."""
        ...

    async def doctor(self, settings: "Settings") -> "list[Check]":
        """Look at everything that Stepwell needs."""
        ...


class Models(Protocol):
    """What `stepwell.models` does; failures are `ModelError`."""

    def find_preset(self, name: str) -> "Preset":
        """The model of this name."""
        ...

    def model_directory(self, name: str) -> Path:
        """Where a model is kept when nobody says otherwise."""
        ...

    def list_models(self) -> "list[ModelSummary]":
        """What can be pulled, and what lies in the cache."""
        ...

    def pull(
        self,
        preset: "Preset",
        destination: Path | None,
        *,
        source: Path | None,
        report: Callable[[str], None],
    ) -> Path:
        """Obtain, verify and export a model; its directory."""
        ...

    def export_directory(
        self, source: Path, destination: Path, *, name: str, graph: str | None
    ) -> "Manifest":
        """Make a model of a directory as published."""
        ...

    def quantise(self, directory: Path, *, report: Callable[[str], None]) -> "Manifest":
        """Add a graph in 8 bits to a model, when it is good enough."""
        ...

    def verify(
        self, directory: Path, reference: "tuple[Sequence[str], Vectors] | None"
    ) -> "VerifyReport":
        """Check the files and the vectors of a model."""
        ...

    def benchmark(self, directory: Path, texts: Sequence[str] | None) -> "BenchmarkReport":
        """Measure a model on this machine."""
        ...


def installed_app() -> App:
    """The real `App`."""
    from stepwell.streams import app

    return app


def installed_models() -> Models:
    """The real `Models`."""
    from stepwell import models

    return models
