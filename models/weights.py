"""The tensors of an encoder under our own names, whatever its family calls them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from stepwell.models.architecture import Architecture
from stepwell.models.errors import FileDamaged, FileMissing, UnsupportedModel
from stepwell.models.families import (
    EMBEDDING_NORM,
    FAMILIES,
    POSITIONS,
    SEGMENTS,
    WORDS,
    Family,
)

Floats = NDArray[np.float32]

_NUMBERS = ("F64", "F32", "F16")


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
    """All tensors. `positions` starts at the first token and has the token type added already."""

    words: Floats
    positions: Floats
    embedding_norm: Norm
    layers: tuple[Layer, ...]


def read_weights(path: Path, architecture: Architecture) -> Weights:
    """The weights in a safetensors file, as float32; missing or misshapen ones are named."""
    if not path.is_file():
        raise FileMissing(path, "is no file; a safetensors file is expected")
    try:
        with safe_open(path, framework="numpy") as tensors:
            return _assemble(_Reader(path, tensors), architecture)
    except SafetensorError as error:
        raise FileDamaged(path, f"is no intact safetensors file: {error}") from error


class _Reader:
    """Tensors by the names of the family, wherever they are nested in the file."""

    def __init__(self, path: Path, tensors: Any) -> None:
        self._path = path
        self._tensors = tensors
        self._names = set(tensors.keys())
        self._prefix = next(
            (name.removesuffix(WORDS) for name in self._names if name.endswith(WORDS)), ""
        )

    def read(self, name: str, *shape: int) -> Floats:
        """The tensor of this shape, where -1 stands for any size."""
        name = self._prefix + name
        if name not in self._names:
            raise UnsupportedModel(f"{self._path}: tensor {name} is missing")
        stored = self._tensors.get_slice(name)
        found = tuple(stored.get_shape())
        if len(found) != len(shape) or any(
            wanted not in (-1, size) for wanted, size in zip(shape, found, strict=True)
        ):
            raise UnsupportedModel(
                f"{self._path}: tensor {name} has shape {found}, expected {shape}"
            )
        if stored.get_dtype() not in _NUMBERS:
            raise UnsupportedModel(
                f"{self._path}: tensor {name} holds {stored.get_dtype()}, "
                f"expected one of {', '.join(_NUMBERS)}"
            )
        tensor: Floats = self._tensors.get_tensor(name).astype(np.float32)
        return tensor


def _assemble(reader: _Reader, architecture: Architecture) -> Weights:
    family = FAMILIES[architecture.family]
    size = architecture.hidden_size
    if size % architecture.heads:
        raise UnsupportedModel(f"{architecture.heads} heads do not divide {size} channels")
    positions = reader.read(POSITIONS, -1, size)[architecture.position_offset :][
        : architecture.max_tokens
    ]
    if family.token_types:
        positions = positions + reader.read(SEGMENTS, -1, size)[0]
    if len(positions) < architecture.max_tokens:
        raise UnsupportedModel(
            f"{len(positions)} position embeddings do not reach {architecture.max_tokens} tokens"
        )
    return Weights(
        words=reader.read(WORDS, -1, size),
        positions=positions,
        embedding_norm=_norm(reader, EMBEDDING_NORM, size),
        layers=tuple(_layer(reader, family, n, size) for n in range(architecture.layers)),
    )


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
    return Norm(reader.read(f"{name}.weight", size), reader.read(f"{name}.bias", size))
