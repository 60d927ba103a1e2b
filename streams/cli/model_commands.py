"""What `stepwell model` and `stepwell embed` call; tests bring their own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stepwell.models import BenchmarkReport, ModelSummary, Preset, VerifyReport
    from stepwell.models.arrays import Vectors
    from stepwell.models.manifest import Manifest


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
        self,
        source: Path,
        destination: Path,
        *,
        name: str,
        graph: str | None,
        output: str | None,
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

    def benchmark(self, directory: Path, texts: Sequence[str] | None) -> "list[BenchmarkReport]":
        """Measure a model on this machine."""
        ...


def installed_models() -> Models:
    """The real `Models`."""
    from stepwell import models

    return models
