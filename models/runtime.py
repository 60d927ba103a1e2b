"""Runs the graph: the only file that touches onnxruntime.

The contract of a graph: `input_ids`, int32 (tokens, texts), in; `embedding`, float32 (texts,
dimension), out.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from stepwell.models.arrays import Vectors
from stepwell.models.errors import BadVector, FileDamaged, GraphContract, InferenceFailed

INPUT = "input_ids"
OUTPUT = "embedding"

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

    def __init__(self, contents: bytes, path: Path, *, dimension: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                contents, options, providers=["CPUExecutionProvider"]
            )
        except _NATIVE_ERRORS as error:
            raise FileDamaged(path, f"is refused by onnxruntime: {error}") from error
        # It would keep the serialised model, for a fallback that we do not use: half the memory.
        self._session._model_bytes = None  # noqa: SLF001
        self._dimension = dimension
        self._refuse_foreign_contract(path)

    def run(self, ids: NDArray[np.int32]) -> Vectors:
        """The vectors of texts of equal length; `ids` is (tokens, texts)."""
        try:
            vectors: Vectors = self._session.run([OUTPUT], {INPUT: ids})[0]
        except _NATIVE_ERRORS as error:
            raise InferenceFailed(str(error)) from error
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


def _fixed_sizes(shape: list[int | str | None]) -> list[int | None]:
    """The size of each axis, None where it may vary."""
    return [size if isinstance(size, int) else None for size in shape]
