"""Errors of this package. `exit_code` is what the command line ends with.

Those that only another text can mend are `ValueError`s too: trying again is of no use.

ModelError
├── UnknownPreset           no preset of that name (exit 3)
├── NameRefused             a name that cannot be that of a folder in the cache (exit 2)
├── ModelNotFound           the folder holds no model: pull it first (exit 3)
├── ModelUnavailable        no source could supply the files; says what each answered (exit 5)
│   └── SourceFailed        one source could not; `pull` collects these
├── DestinationOccupied     something is there that would have to be overwritten (exit 4)
├── DestinationUnusable     the destination cannot be written
├── UnsupportedModel        an architecture that the exporter does not know (exit 4)
├── FileRefused             a model file must not be used (exit 4)
│   ├── FileMissing         absent, or a directory
│   ├── FileIsPointer       a Git LFS pointer instead of the contents
│   ├── FileTruncated       shorter than pinned
│   ├── HashMismatch        other contents than pinned
│   ├── FileDamaged         cannot be parsed
│   ├── FileOutside         a link, or a name, that leads out of the model's folder
│   ├── MemoryShort         loading it needs more memory than there is
│   ├── ExternalData        a graph that reads other files
│   ├── ForeignOperators    a graph that needs operators outside standard ONNX
│   ├── GraphContract       a graph with other inputs or outputs than ours
│   └── SelfTestFailed      tokenizer and graph do not give the stored vectors
├── ReferenceRefused        texts and vectors that no model can be compared with (exit 4)
├── TextRefused             a text that has no vector
│   └── EmptyText           empty, only whitespace, or without tokens
├── ProviderMissing         the machine has no such execution provider (exit 4)
├── InferenceFailed         the runtime refused a batch
├── BadVector               NaN, infinite or zero numbers came out
└── EmbedderClosed          used after `close`
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


class ModelError(Exception):
    """Base of every error raised by `stepwell.models`."""

    exit_code: ClassVar[int] = 1


@dataclass(eq=False)
class UnknownPreset(ModelError):
    """No preset has this name."""

    name: str
    known: Sequence[str]
    exit_code: ClassVar[int] = 3
    next_step: ClassVar[str] = "stepwell model list"

    def __str__(self) -> str:
        return f"no model preset is called {self.name!r}; there are: {', '.join(self.known)}"


@dataclass(eq=False)
class NameRefused(ModelError):
    """No model in the cache can have this name."""

    name: str
    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        return (
            f"{self.name!r} cannot be the name of a model: it is that of one folder in the cache, "
            "so it has at most 120 characters, no / and no \\, and does not begin with a dot"
        )


@dataclass(eq=False)
class ModelNotFound(ModelError):
    """The folder holds no model."""

    directory: Path
    exit_code: ClassVar[int] = 3

    @property
    def next_step(self) -> str:
        """What to type instead: a model that is known is pulled by its name."""
        from stepwell.models.presets import PRESETS  # which imports these errors

        name = self.directory.name
        return f"stepwell model pull {name}" if name in PRESETS else "stepwell model list"

    def __str__(self) -> str:
        return f"{self.directory} holds no model (no manifest.json): run `stepwell model pull`"


@dataclass(eq=False)
class ModelUnavailable(ModelError):
    """No source could supply the model; `detail` says what was tried and what came back."""

    detail: str
    exit_code: ClassVar[int] = 5

    def __str__(self) -> str:
        return self.detail


class SourceFailed(ModelUnavailable):
    """One source could not supply the model."""


@dataclass(eq=False)
class DestinationOccupied(ModelError):
    """Something is at the destination already."""

    directory: Path
    detail: str = "exists"
    next_step: str = ""
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return (
            f"{self.directory} {self.detail}: it is left as it is; choose another folder or "
            "move it away"
        )


@dataclass(eq=False)
class DestinationUnusable(ModelError):
    """The destination cannot be written."""

    directory: Path
    detail: str

    def __str__(self) -> str:
        return f"a model cannot be kept in {self.directory}: {self.detail}"


@dataclass(eq=False)
class UnsupportedModel(ModelError):
    """The exporter does not know this architecture; `detail` names what it found where."""

    detail: str
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class FileRefused(ModelError):
    """A model file must not be used; `detail` says why."""

    path: Path
    detail: str
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class FileMissing(FileRefused):
    """The file is absent, or a directory."""


class FileIsPointer(FileRefused):
    """The file is a Git LFS pointer instead of the contents."""


class FileTruncated(FileRefused):
    """The file is shorter than pinned."""


class HashMismatch(FileRefused):
    """The file has other contents than pinned."""


class FileDamaged(FileRefused):
    """The file cannot be parsed."""


class FileOutside(FileRefused):
    """The name, or a link under it, leads out of the model's folder."""


class MemoryShort(FileRefused):
    """Loading the file needs more memory than there is."""


class ExternalData(FileRefused):
    """The graph reads tensors from other files."""


class ForeignOperators(FileRefused):
    """The graph needs operators outside standard ONNX."""


class GraphContract(FileRefused):
    """The graph has other inputs or outputs than ours."""


class SelfTestFailed(FileRefused):
    """Tokenizer and graph do not give the vectors stored in the manifest."""


@dataclass(eq=False)
class ReferenceRefused(ModelError):
    """Texts and vectors that no model can be compared with; `detail` says which and why."""

    detail: str
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return f"the reference cannot be used: {self.detail}"


@dataclass(eq=False)
class TextRefused(ModelError, ValueError):
    """A text that has no vector, now or later; `detail` says why."""

    detail: str

    def __str__(self) -> str:
        return self.detail


class EmptyText(TextRefused):
    """The text is empty, only whitespace, or nothing that the tokenizer keeps."""


@dataclass(eq=False)
class ProviderMissing(ModelError):
    """This installation of onnxruntime, or this machine, has no such execution provider."""

    name: str
    there: Sequence[str]
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return (
            f"execution provider {self.name!r} cannot be used here; there is: "
            f"{', '.join(self.there)}. Set model.provider to one of these, or install the build of "
            "onnxruntime for it (onnxruntime-gpu, onnxruntime-openvino) in place of onnxruntime, "
            "and its drivers"
        )


@dataclass(eq=False)
class InferenceFailed(ModelError):
    """The runtime refused a batch."""

    detail: str

    def __str__(self) -> str:
        return f"the model could not be run: {self.detail}"


@dataclass(eq=False)
class BadVector(ModelError, ValueError):
    """The model gave numbers that must not be stored, and would give them again."""

    detail: str

    def __str__(self) -> str:
        return f"the model gave a vector that must not be stored: {self.detail}"


class EmbedderClosed(ModelError):
    """The embedder was closed while the text waited, or before it came."""

    def __str__(self) -> str:
        return "the embedder is closed"
