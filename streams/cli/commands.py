"""What the command line calls. The modules named below are the real thing, tests bring their own.

They are imported when a command runs: what they need is too slow for `stepwell --help`.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stepwell.models import Preset, VerifyReport
    from stepwell.schemas.documents import Hit, SearchFilters
    from stepwell.streams.ports import SearchMode
    from stepwell.streams.settings import Settings
    from stepwell.streams.views import Check, InstanceDetails, InstanceSummary


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

    def verify(self, directory: Path) -> "VerifyReport":
        """Check the files and the vectors of a model."""
        ...


def installed_app() -> App:
    """The real `App`."""
    from stepwell.streams import app

    return app


def installed_models() -> Models:
    """The real `Models`."""
    from stepwell import models

    return models
