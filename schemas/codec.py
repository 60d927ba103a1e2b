"""Journal records to bytes and back. An unknown version or kind is refused."""

from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from stepwell.schemas.commands import StepRef
from stepwell.schemas.errors import JournalCorrupt, RejectReason
from stepwell.schemas.journal import JournalRecord
from stepwell.schemas.parts import (
    LATEST_MS,
    ErrorInfo,
    Origin,
    Parent,
    Replay,
    Retention,
    Rollback,
    Schedule,
    Trace,
)
from stepwell.schemas.values import dumps, has_tags, revive

VERSION = 1

_KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(JournalRecord)}
_PREFIX = {cls: b'{"v":%d,"kind":"%s",' % (VERSION, name.encode()) for name, cls in _KINDS.items()}
_FIELDS = {cls: frozenset(field.name for field in fields(cls)) for cls in _KINDS.values()}
_PARTS: dict[str, type[Any]] = {
    "error": ErrorInfo,
    "from_step": StepRef,
    "origin": Origin,
    "parent": Parent,
    "replay": Replay,
    "retention": Retention,
    "rollback": Rollback,
    "schedule": Schedule,
    "trace": Trace,
}
_PARTS_OF = {cls: tuple(_PARTS.keys() & names) for cls, names in _FIELDS.items()}


def _types(cls: type[Any]) -> dict[str, Any]:
    """By field, what `isinstance` takes; values of workflows may be anything."""
    hints = {name: hint for name, hint in get_type_hints(cls).items() if hint is not Any}
    return {
        name: hint if isinstance(hint, UnionType) else get_origin(hint) or hint
        for name, hint in hints.items()
    }


_TYPES = {cls: _types(cls) for cls in (*_KINDS.values(), *_PARTS.values())}


def encode(record: JournalRecord) -> bytes:
    """The record as JSON; raises `NotSerialisable` when a value in it cannot be stored."""
    return _PREFIX[type(record)] + dumps(record)[1:]


def decode(raw: bytes) -> JournalRecord:
    """Parse a record; unknown fields are ignored (additive change), anything else raises."""
    try:
        data = orjson.loads(raw)
        version, kind = data.pop("v"), data.pop("kind")
        cls = _KINDS.get(kind)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise JournalCorrupt(f"not a journal record: {error!r}") from error
    if version != VERSION or cls is None:
        raise JournalCorrupt(
            f"journal record of kind {kind!r}, version {version!r}: this release reads version "
            f"{VERSION} of {', '.join(sorted(_KINDS))}; run a newer one",
            RejectReason.VERSION,
        )
    if has_tags(raw):
        data = revive(data)
    try:
        for name in _PARTS_OF[cls]:
            if isinstance(data.get(name), dict):
                data[name] = _part(_PARTS[name], data[name])
        if data.keys() != _FIELDS[cls]:
            data = {name: value for name, value in data.items() if name in _FIELDS[cls]}
        record: JournalRecord = _made(cls, data)
    except TypeError as error:
        raise JournalCorrupt(f"{kind}: {error}", RejectReason.SHAPE) from error
    if not 0 <= record.at_ms <= LATEST_MS:
        raise JournalCorrupt(f"{kind}: at_ms is {record.at_ms}, in no calendar", RejectReason.SHAPE)
    return record


def _part(cls: type[Any], data: dict[str, Any]) -> Any:
    if isinstance(data.get("error"), dict):
        data["error"] = _made(ErrorInfo, data["error"])
    return _made(cls, data)


def _made(cls: type[Any], data: dict[str, Any]) -> Any:
    """The dataclass, its fields of the types that it names; raises `TypeError`."""
    types = _TYPES[cls]
    for name, value in data.items():
        if name in types and not isinstance(value, types[name]):
            raise TypeError(f"{name} is {type(value).__name__}, expected {types[name]}")
    return cls(**data)
