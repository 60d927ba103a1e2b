"""Step results, parameters and outputs as JSON: plain values, dataclasses, bytes and numpy arrays.

Bytes and arrays are stored raw (base64 inside a tagged object), never as decimal text.
"""

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import orjson

from stepwell.schemas.errors import SchemaError
from stepwell.schemas.events import Json

BYTES_TAG = "$bytes"
ARRAY_TAG = "$ndarray"
_TAG_MARKS = (b'"$bytes":', b'"$ndarray":')


class NotSerialisable(SchemaError):
    """A value cannot be stored; the message names the type and the path to it."""


def has_tags(raw: bytes) -> bool:
    """Whether JSON text may hold tagged objects that `revive` must turn back."""
    return any(mark in raw for mark in _TAG_MARKS)


def dumps(value: Any) -> bytes:
    """JSON bytes of a value, or of a record dataclass holding values.

    Raises `NotSerialisable` for sets, generators, non-text keys, NaN, infinities, and for objects
    that use the reserved keys `$bytes` and `$ndarray`.
    """
    tagged = 0

    def tag(other: object) -> Json:
        nonlocal tagged
        if isinstance(other, bytes | bytearray | memoryview):
            tagged += 1
            return {BYTES_TAG: base64.b64encode(other).decode()}
        if isinstance(other, np.ndarray):
            tagged += 1
            array = np.ascontiguousarray(other)
            raw = base64.b64encode(array.tobytes()).decode()
            return {ARRAY_TAG: [array.dtype.str, list(other.shape), raw]}
        if isinstance(other, np.generic):
            return other.item()
        raise TypeError

    try:
        raw = orjson.dumps(value, default=tag)
    except (TypeError, ValueError) as error:  # orjson's own error is a TypeError
        raise NotSerialisable(_find_problem(value) or f"not serialisable: {error}") from error
    # orjson writes NaN as null without a word; the walk costs only where a null is seen.
    if b"null" in raw or sum(raw.count(mark) for mark in _TAG_MARKS) != tagged:
        problem = _find_problem(value)
        if problem:
            raise NotSerialisable(problem)
    return raw


def revive(value: Json) -> Json:
    """Turn tagged objects back into bytes and arrays, anywhere in a decoded JSON value."""
    if isinstance(value, dict):
        if len(value) == 1:
            if BYTES_TAG in value:
                return base64.b64decode(value[BYTES_TAG])
            if ARRAY_TAG in value:
                dtype, shape, raw = value[ARRAY_TAG]
                return np.frombuffer(base64.b64decode(raw), dtype=np.dtype(dtype)).reshape(shape)
        return {key: revive(item) for key, item in value.items()}
    if isinstance(value, list):
        return [revive(item) for item in value]
    return value


def _find_problem(value: Any, path: str = "$") -> str | None:  # noqa: C901 - one case a type
    """The first thing in `value` that JSON cannot carry and the path to it; None if all is well."""
    if isinstance(value, float | np.floating):
        return None if np.isfinite(value) else f"{value} at {path}: JSON has no such number"
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"key {key!r} ({type(key).__name__}) at {path}: keys must be text"
            if key in (BYTES_TAG, ARRAY_TAG):
                return f"key {key!r} at {path} is reserved"
            if problem := _find_problem(item, f"{path}.{key}"):
                return problem
        return None
    if isinstance(value, list | tuple):
        found = (_find_problem(item, f"{path}[{index}]") for index, item in enumerate(value))
        return next((problem for problem in found if problem), None)
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if isinstance(value, np.ndarray):
        return f"array of Python objects at {path}" if value.dtype.hasobject else None
    try:
        orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, ValueError) as error:
        return f"{type(value).__name__} at {path}: {error}"
    return None
