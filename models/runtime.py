"""Runs the graph: the only file that touches onnxruntime.

The contract of a graph: `input_ids`, int32 (tokens, texts), in; `embedding`, float32 (texts,
dimension), out.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from stepwell.models.arrays import Vectors
from stepwell.models.errors import (
    BadVector,
    EmptyText,
    FileDamaged,
    GraphContract,
    InferenceFailed,
    ProviderMissing,
)

INPUT = "input_ids"
OUTPUT = "embedding"


class Provider(StrEnum):
    """What computes."""

    CPU = "cpu"
    CUDA = "cuda"
    OPENVINO = "openvino"


_Array = NDArray[Any]

_PROVIDERS: dict[Provider, tuple[str, dict[str, str]]] = {
    Provider.CPU: ("CPUExecutionProvider", {}),
    # Both would round to fewer bits by themselves where the hardware is faster with them.
    Provider.CUDA: ("CUDAExecutionProvider", {"use_tf32": "0"}),
    Provider.OPENVINO: (
        "OpenVINOExecutionProvider",
        {"device_type": "CPU", "precision": "FP32", "num_of_threads": "1"},
    ),
}

_NATIVE_ERRORS = (
    native.EPFail,
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.RuntimeException,
)


class Session:
    """One loaded graph. Any number of threads may call `run`; each call uses one core."""

    def __init__(
        self,
        graph: bytes | Path,
        path: Path,
        *,
        dimension: int,
        provider: Provider = Provider.CPU,
    ) -> None:
        """The graph is its contents, or the file to read them from: that takes half the memory."""
        self._session = _load(graph, path, provider)
        self._dimension = dimension
        self._refuse_foreign_contract(path)

    def run(self, ids: NDArray[np.int32]) -> Vectors:
        """The vectors of texts of equal length; `ids` is (tokens, texts).

        Raises `EmptyText` for texts of no tokens, on which onnxruntime would end the process;
        `InferenceFailed` when it refuses; `BadVector` for NaN, infinite numbers, zeros.
        """
        if not len(ids):
            raise EmptyText(
                "the tokenizer keeps nothing of the text: it has no tokens and no vector"
            )
        vectors: Vectors = _run(self._session, OUTPUT, {INPUT: ids})
        if vectors.shape != (ids.shape[1], self._dimension):
            raise BadVector(f"its shape is {vectors.shape}, dimension {self._dimension} expected")
        if not np.isfinite(vectors).all():
            raise BadVector("it has NaN or infinite numbers")
        if not vectors.any(axis=1).all():
            raise BadVector("it is all zeros")
        return vectors

    def _refuse_foreign_contract(self, path: Path) -> None:
        inputs = [(it.name, it.type, _fixed_sizes(it.shape)) for it in self._session.get_inputs()]
        outputs = [(it.name, it.type, _fixed_sizes(it.shape)) for it in self._session.get_outputs()]
        expected_inputs = [(INPUT, "tensor(int32)", [None, None])]
        expected_outputs = [(OUTPUT, "tensor(float)", [None, self._dimension])]
        if inputs != expected_inputs:
            raise GraphContract(path, f"its inputs are {inputs}, expected {expected_inputs}")
        if outputs != expected_outputs:
            raise GraphContract(path, f"its outputs are {outputs}, expected {expected_outputs}")


def run_foreign(contents: bytes, path: Path, output: str, feeds: Mapping[str, _Array]) -> _Array:
    """One output of a graph of any contract, loaded for this one run."""
    return _run(_load(contents, path, Provider.CPU), output, feeds)


def _load(graph: bytes | Path, path: Path, provider: Provider) -> onnxruntime.InferenceSession:
    name, settings = _PROVIDERS[provider]
    _refuse_missing(provider, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[(name, settings)])
    except _NATIVE_ERRORS as error:
        raise FileDamaged(path, f"is refused by onnxruntime: {error}") from error
    _refuse_missing(provider, session.get_providers())
    # It would keep the serialised model, for a fallback that we do not use: half the memory.
    session._model_bytes = None  # noqa: SLF001
    return session


def _refuse_missing(provider: Provider, names: Sequence[str]) -> None:
    """Onnxruntime itself would go on with the CPU alone."""
    if _PROVIDERS[provider][0] not in names:
        there = [known.value for known, (name, _) in _PROVIDERS.items() if name in names]
        raise ProviderMissing(provider.value, there)


def _run(session: onnxruntime.InferenceSession, output: str, feeds: Mapping[str, _Array]) -> _Array:
    try:
        found: _Array = session.run([output], dict(feeds))[0]
    except _NATIVE_ERRORS as error:
        raise InferenceFailed(str(error)) from error
    return found


def _fixed_sizes(shape: list[int | str | None]) -> list[int | None]:
    """The size of each axis, None where it may vary."""
    return [size if isinstance(size, int) else None for size in shape]
