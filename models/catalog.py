"""Which models there are: those known by name, and those that lie in the cache."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stepwell.models.errors import ModelError
from stepwell.models.manifest import MANIFEST, read_manifest
from stepwell.models.presets import PRESETS, TOKENIZER, WEIGHTS, model_directory


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model that can be pulled, or is there, or both."""

    name: str
    origin: str
    """Repository and commit; "" for one that was exported here."""

    pinned: bool
    """Whether weights and tokenizer are accepted with one sha256 only, from the first pull on."""

    dimension: int | None
    max_tokens: int | None = None
    directory: Path | None = None
    """Where it lies, once it does."""

    model_id: str = ""
    problem: str = ""
    """Why the manifest there cannot be read."""


def list_models(environ: Mapping[str, str] = os.environ) -> list[ModelSummary]:
    """The presets in their order, then others in the cache by name. Nothing is loaded."""
    folder = model_directory("-", environ).parent
    others = sorted(
        it.parent.name for it in folder.glob(f"*/{MANIFEST}") if it.parent.name not in PRESETS
    )
    return [_summary(name, folder / name) for name in (*PRESETS, *others)]


def _summary(name: str, directory: Path) -> ModelSummary:
    preset = PRESETS.get(name)
    origin = preset.origin if preset else ""
    found = ModelSummary(
        name=name,
        origin=origin,
        pinned=preset is None or {WEIGHTS, TOKENIZER} <= {it.name for it in preset.files},
        dimension=preset.dimension if preset else None,
    )
    if not (directory / MANIFEST).exists():
        return found
    try:
        manifest = read_manifest(directory)
    except ModelError as error:
        return replace(found, directory=directory, problem=str(error))
    return replace(
        found,
        pinned=True,  # by its manifest, if by nothing else
        directory=directory,
        model_id=manifest.model_id,
        dimension=manifest.dimension,
        max_tokens=manifest.max_tokens,
    )
