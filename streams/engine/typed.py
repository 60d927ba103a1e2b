"""Stored JSON back to the type that a function is annotated with.

A step's result reaches the workflow only through the journal, live and in replay alike, so what the
code sees has to be rebuilt from JSON: dataclasses, pydantic models, tuples, dates, enums.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from stepwell.schemas.events import Json
from stepwell.streams.engine.errors import EngineError, InvalidDefinition

Decoder = Callable[[Json], Any]

_AS_STORED = frozenset(
    {Any, None, type(None), bool, int, float, str, dict, list, bytes, np.ndarray}
)


class WrongShape(EngineError):
    """A stored value does not fit the annotation; the message says where."""


def result_decoder(function: Callable[..., Any]) -> Decoder:
    """The decoder for what `function` returns; as stored when it has no return annotation."""
    plain = getattr(function, "__func__", function)
    if not hasattr(plain, "__code__"):
        plain = type(plain).__call__
    if "return" not in getattr(plain, "__annotations__", ()):
        return _as_stored
    return _hinted(plain, "return")


def output_decoder(run: Callable[..., Any] | None) -> Decoder:
    """The decoder for what a workflow's `run` returns; as stored when it is not known."""
    return _as_stored if run is None else result_decoder(run)


@lru_cache(maxsize=1024)
def payload_decoder(run: Callable[..., Any], event_type: type) -> Decoder:
    """The decoder for `T` of the `event: WorkflowEvent[T]` parameter of a workflow's `run`."""
    for hint in _hints(run).values():
        if get_origin(hint) is event_type:
            return _decoder(get_args(hint)[0], run.__qualname__)
    return _as_stored


@lru_cache(maxsize=4096)
def _hinted(function: Callable[..., Any], name: str) -> Decoder:
    return _decoder(_hints(function)[name], getattr(function, "__qualname__", repr(function)))


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise InvalidDefinition(
            f"an annotation of {function.__qualname__} cannot be resolved ({error}): "
            "import the type at run time, not only under TYPE_CHECKING"
        ) from error


def _decoder(annotation: Any, where: str) -> Decoder:
    if annotation in _AS_STORED or get_origin(annotation) is np.ndarray:
        return _as_stored
    try:
        adapter = TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidDefinition(
            f"{where}: {annotation!r} cannot be rebuilt from stored JSON ({error.message}); "
            "use plain values, dataclasses, pydantic models, bytes or numpy arrays"
        ) from error

    def decode(value: Json) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise WrongShape(f"{where}: {error}") from error

    return decode


def _as_stored(value: Json) -> Any:
    return value
