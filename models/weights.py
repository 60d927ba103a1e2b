"""The tensors of an encoder under our own names, whatever its family calls them."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from stepwell.models.architecture import Architecture
from stepwell.models.errors import FileDamaged, FileIsPointer, FileMissing, UnsupportedModel
from stepwell.models.families import (
    EMBEDDING_NORM,
    FAMILIES,
    POSITIONS,
    SEGMENTS,
    WORDS,
    Family,
)
from stepwell.models.files import inside, is_pointer, read_json
from stepwell.models.memory import EXPORTING_FACTOR, available_memory, refuse_if_short

Floats = NDArray[np.float32]
_File = Any  # an open safetensors file; the library has no types

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

ONE_FILE_BYTES_MAX = 2**31 - 2**20
"""What protobuf can hold, less some room for the operators."""

_NUMBERS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias; weight is (inputs, outputs)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation."""

    scale: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the encoder."""

    query: Linear
    key: Linear
    value: Linear
    attention_out: Linear
    attention_norm: Norm
    expand: Linear
    contract: Linear
    output_norm: Norm


@dataclass(frozen=True, slots=True)
class Weights:
    """All tensors. `positions` starts at the first token and has the token type added already.

    Where positions follow the padding, its last row is that of the padding token.
    """

    words: Floats | NDArray[np.float16]
    """In 16 bits only where `fit_one_file` made room."""

    positions: Floats
    embedding_norm: Norm
    layers: tuple[Layer, ...]


def weight_files(network: Path) -> list[Path]:
    """The safetensors files of a model: one, or the shards that its index names."""
    if (network / WEIGHTS).exists() or not (network / INDEX).exists():
        return [network / WEIGHTS]
    shards = read_json(network / INDEX, dict).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise FileDamaged(network / INDEX, "has no weight_map")
    return [inside(network, str(name)) for name in sorted(set(shards.values()))]


def read_weights(network: Path, architecture: Architecture) -> Weights:
    """The weights in a folder of safetensors files, as float32; missing ones are named."""
    paths = weight_files(network)
    size_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    refuse_if_short(
        network, size_bytes, available_bytes=available_memory(), factor=EXPORTING_FACTOR
    )
    with ExitStack() as opened:
        tensors: dict[str, _File] = {}
        for path in paths:
            file = opened.enter_context(_open(path))
            tensors |= dict.fromkeys(file.keys(), file)
        return _assemble(_Reader(network, tensors), architecture)


def _open(path: Path) -> _File:
    if not path.is_file():
        raise FileMissing(path, _absent(path))
    if is_pointer(path):
        raise FileIsPointer(path, "is a Git LFS pointer, not the weights: run `git lfs pull`")
    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise FileDamaged(path, f"is no intact safetensors file: {error}") from error


def _absent(path: Path) -> str:
    """Why there are no weights, and what may be done about it."""
    if (path.parent / "pytorch_model.bin").exists():
        return (
            "is no file; there is only a pytorch_model.bin, which is a program as much as data "
            "and is not read: convert it to safetensors once, where you trust it"
        )
    return "is no file; a safetensors file is expected"


def fit_one_file(weights: Weights, bytes_max: int = ONE_FILE_BYTES_MAX) -> Weights:
    """The weights, with the table of words in 16 bits where they would not fit a file otherwise.

    That table is half of a large multilingual model, and its rounding is the most harmless one.
    """
    if _size_bytes(weights) <= bytes_max:
        return weights
    narrow = replace(weights, words=weights.words.astype(np.float16))
    if (size_bytes := _size_bytes(narrow)) > bytes_max:
        raise UnsupportedModel(
            f"{size_bytes} bytes of weights, with the table of words in 16 bits already, do not "
            f"fit the {bytes_max} of one ONNX file: take a smaller model of its family"
        )
    return narrow


def _size_bytes(part: object) -> int:
    match part:
        case np.ndarray():
            return part.nbytes
        case tuple():
            return sum(_size_bytes(it) for it in part)
        case Weights() | Layer() | Linear() | Norm():
            return sum(_size_bytes(getattr(part, it.name)) for it in fields(part))
    return 0


class _Reader:
    """Tensors by the names of the family, wherever they are nested and in whichever file."""

    def __init__(self, folder: Path, tensors: Mapping[str, _File]) -> None:
        self._folder = folder
        self._tensors = tensors
        self._prefix = min(
            (name.removesuffix(WORDS) for name in tensors if name.endswith(WORDS)),
            key=len,
            default="",
        )

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return self._prefix + name in self._tensors

    def name(self, name: str) -> str:
        """What the tensor is called in messages."""
        return f"{self._folder}: tensor {self._prefix}{name}"

    def read(self, name: str, *shape: int) -> Floats:
        """The tensor of this shape, where -1 stands for any size."""
        if not self.has(name):
            raise UnsupportedModel(f"{self.name(name)} is missing")
        name = self._prefix + name
        file = self._tensors[name]
        stored = file.get_slice(name)
        found = tuple(stored.get_shape())
        if len(found) != len(shape) or any(
            wanted not in (-1, size) for wanted, size in zip(shape, found, strict=True)
        ):
            raise UnsupportedModel(
                f"{self._folder}: tensor {name} has shape {found}, expected {shape}"
            )
        if stored.get_dtype() not in _NUMBERS:
            raise UnsupportedModel(
                f"{self._folder}: tensor {name} holds {stored.get_dtype()}, "
                f"expected one of {', '.join(_NUMBERS)}"
            )
        tensor: Floats = file.get_tensor(name).astype(np.float32)
        return tensor


def _assemble(reader: _Reader, architecture: Architecture) -> Weights:
    family = FAMILIES[architecture.family]
    size = architecture.hidden_size
    if architecture.heads < 1 or size % architecture.heads:
        raise UnsupportedModel(f"{architecture.heads} heads do not divide {size} channels")
    positions = _positions(reader, architecture)
    return Weights(
        words=reader.read(WORDS, -1, size),
        positions=positions,
        embedding_norm=_norm(reader, EMBEDDING_NORM, size),
        layers=tuple(_layer(reader, family, n, size) for n in range(architecture.layers)),
    )


def _positions(reader: _Reader, architecture: Architecture) -> Floats:
    size, padding = architecture.hidden_size, architecture.padding_id
    table = reader.read(POSITIONS, -1, size)
    positions = table[architecture.position_offset :][: architecture.max_tokens]
    if len(positions) < architecture.max_tokens:
        raise UnsupportedModel(
            f"{len(positions)} position embeddings do not reach {architecture.max_tokens} tokens"
        )
    if padding is not None:
        positions = np.concatenate([positions, table[[padding]]])
    if not (FAMILIES[architecture.family].token_types and architecture.token_types):
        return positions
    if not reader.has(SEGMENTS):
        raise UnsupportedModel(
            f"{reader.name(SEGMENTS)} is missing: if the model was trained without token types, "
            'say so in its config.json: "type_vocab_size": 0'
        )
    first_type: Floats = reader.read(SEGMENTS, -1, size)[0]
    return positions + first_type


def _layer(reader: _Reader, family: Family, number: int, size: int) -> Layer:
    def linear(name: str, inputs: int, outputs: int) -> Linear:
        name = name.format(number)
        return Linear(
            reader.read(f"{name}.weight", outputs, inputs).T, reader.read(f"{name}.bias", outputs)
        )

    expand = linear(family.expand, size, -1)
    return Layer(
        query=linear(family.query, size, size),
        key=linear(family.key, size, size),
        value=linear(family.value, size, size),
        attention_out=linear(family.attention_out, size, size),
        attention_norm=_norm(reader, family.attention_norm.format(number), size),
        expand=expand,
        contract=linear(family.contract, len(expand.bias), size),
        output_norm=_norm(reader, family.output_norm.format(number), size),
    )


def _norm(reader: _Reader, name: str, size: int) -> Norm:
    """Checkpoints of the first years call scale and bias gamma and beta."""
    scale, bias = ("gamma", "beta") if reader.has(f"{name}.gamma") else ("weight", "bias")
    return Norm(reader.read(f"{name}.{scale}", size), reader.read(f"{name}.{bias}", size))
