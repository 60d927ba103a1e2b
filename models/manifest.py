"""What a model directory holds: manifest.json, and the files that it pins.

manifest.json     this description
model.onnx        the graph with its weights, pooling and normalisation
tokenizer.json    as the model's makers published it
model-int8.onnx   optional: the graph in 8 bits, less exact and faster
"""

import base64
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stepwell.models.architecture import Pooling
from stepwell.models.arrays import Vectors
from stepwell.models.errors import FileDamaged, ModelNotFound
from stepwell.models.files import PinnedFile, holding_pinned, read_json, read_pinned

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
INT8_GRAPH = "model-int8.onnx"
TOKENIZER = "tokenizer.json"

_FORMAT = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Texts and the vectors that the model must give for them; float32, row after row."""

    texts: tuple[str, ...]
    vectors_base64: str

    @classmethod
    def of(cls, texts: Sequence[str], vectors: Vectors) -> "SelfTest":
        """From the vectors as an array."""
        rows = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
        return cls(tuple(texts), base64.b64encode(rows).decode())

    @property
    def vectors(self) -> Vectors:
        """The vectors as an array (texts, dimension)."""
        rows = np.frombuffer(base64.b64decode(self.vectors_base64), dtype="<f4")
        return rows.reshape(len(self.texts), -1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Int8:
    """The second graph of a directory: its own self-test, and how near it came to the first.

    The cosines are those of texts that it was not fitted to.
    """

    graph: PinnedFile
    self_test: SelfTest
    mean_cosine: float
    min_cosine: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a model directory.

    `files` are those beside the manifest; `made_from` are the published ones they were made from,
    and `origin` is the repository and commit of those, or "" when they lay on this machine.
    """

    model_id: str
    dimension: int
    max_tokens: int
    pooling: Pooling
    normalised: bool
    query_prefix: str
    passage_prefix: str
    files: tuple[PinnedFile, ...]
    made_from: tuple[PinnedFile, ...]
    self_test: SelfTest
    origin: str = ""
    int8: Int8 | None = None

    def read(self, directory: Path, name: str) -> bytes:
        """The contents of one of `files`, checked against its pin."""
        return read_pinned(directory, self._pinned(name))

    def holding(self, directory: Path, name: str) -> AbstractContextManager[Path]:
        """The path of one of `files`, checked against its pin, and at the end for changes."""
        return holding_pinned(directory, self._pinned(name))

    def _pinned(self, name: str) -> PinnedFile:
        files = (*self.files, self.int8.graph) if self.int8 else self.files
        return next(file for file in files if file.name == name)


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Writes manifest.json, in one step."""
    document = {"format": _FORMAT, **asdict(manifest)}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    draft = directory / f".{MANIFEST}"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(directory / MANIFEST)


def read_manifest(directory: Path) -> Manifest:
    """Reads manifest.json; `ModelNotFound` without one, `FileDamaged` names a wrong field."""
    path = directory / MANIFEST
    if not path.exists():
        raise ModelNotFound(directory)
    document = read_json(path, dict)
    if document.get("format") != _FORMAT:
        raise FileDamaged(
            path,
            f"format {document.get('format')!r}, this version reads {_FORMAT}: "
            "run `stepwell model pull` again",
        )
    try:
        manifest = _parse(document)
        tests = [manifest.self_test, *([manifest.int8.self_test] if manifest.int8 else [])]
        shapes = [(test.vectors.shape, (len(test.texts), manifest.dimension)) for test in tests]
    except (KeyError, ValueError, TypeError) as error:
        raise FileDamaged(path, f"a field is missing or wrong: {error!r}") from error
    for shape, expected in shapes:
        if shape != expected:
            raise FileDamaged(path, f"the vectors of the self-test have shape {shape}")
    if {file.name for file in manifest.files} != {GRAPH, TOKENIZER}:
        raise FileDamaged(path, f"files are not exactly {GRAPH} and {TOKENIZER}")
    return manifest


def _parse(document: dict[str, Any]) -> Manifest:
    return Manifest(
        model_id=_typed(document, "model_id", str),
        dimension=_typed(document, "dimension", int),
        max_tokens=_typed(document, "max_tokens", int),
        pooling=Pooling(_typed(document, "pooling", str)),
        normalised=_typed(document, "normalised", bool),
        query_prefix=_typed(document, "query_prefix", str),
        passage_prefix=_typed(document, "passage_prefix", str),
        files=_pinned_files(document, "files"),
        made_from=_pinned_files(document, "made_from"),
        self_test=_self_test(document),
        origin=_typed({"origin": "", **document}, "origin", str),
        int8=None if document.get("int8") is None else _int8(_typed(document, "int8", dict)),
    )


def _int8(document: dict[str, Any]) -> Int8:
    graph = _pinned_file(_typed(document, "graph", dict))
    if graph.name != INT8_GRAPH:
        raise ValueError(f"the graph in 8 bits is {graph.name}, {INT8_GRAPH} expected")
    return Int8(
        graph,
        _self_test(document),
        _typed(document, "mean_cosine", float),
        _typed(document, "min_cosine", float),
    )


def _self_test(document: dict[str, Any]) -> SelfTest:
    test = _typed(document, "self_test", dict)
    return SelfTest(tuple(_typed(test, "texts", list)), _typed(test, "vectors_base64", str))


def _pinned_files(document: dict[str, Any], key: str) -> tuple[PinnedFile, ...]:
    return tuple(_pinned_file(it) for it in _typed(document, key, list))


def _pinned_file(document: dict[str, Any]) -> PinnedFile:
    return PinnedFile(
        _typed(document, "name", str),
        _typed(document, "sha256", str),
        _typed(document, "size_bytes", int),
    )


def _typed(document: dict[str, Any], key: str, kind: type[_T]) -> _T:
    value = document[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key} is {value!r}, {kind.__name__} expected")
    return value
