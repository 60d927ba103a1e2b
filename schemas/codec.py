"""Journal records to bytes and back. An unknown version or kind is refused."""

from dataclasses import fields
from typing import Any, get_args

import orjson

from stepwell.schemas.commands import StepRef
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import JournalRecord
from stepwell.schemas.parts import ErrorInfo, Origin, Parent, Retention, Rollback, Schedule
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
    "retention": Retention,
    "rollback": Rollback,
    "schedule": Schedule,
}
_PARTS_OF = {cls: tuple(_PARTS.keys() & names) for cls, names in _FIELDS.items()}


def encode(record: JournalRecord) -> bytes:
    """The record as JSON; raises `NotSerialisable` when a value in it cannot be stored."""
    return _PREFIX[type(record)] + dumps(record)[1:]


def decode(raw: bytes) -> JournalRecord:
    """Parse a record; unknown fields are ignored (additive change), anything else raises."""
    try:
        data = orjson.loads(raw)
        version, kind = data.pop("v"), data.pop("kind")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise JournalCorrupt(f"not a journal record: {error!r}") from error
    cls = _KINDS.get(kind)
    if version != VERSION or cls is None:
        raise JournalCorrupt(
            f"journal record of kind {kind!r}, version {version!r}: this release reads version "
            f"{VERSION} of {', '.join(sorted(_KINDS))}; run a newer one"
        )
    if has_tags(raw):
        data = revive(data)
    try:
        for name in _PARTS_OF[cls]:
            if isinstance(data.get(name), dict):
                data[name] = _part(_PARTS[name], data[name])
        if data.keys() != _FIELDS[cls]:
            data = {name: value for name, value in data.items() if name in _FIELDS[cls]}
        record: JournalRecord = cls(**data)
    except TypeError as error:
        raise JournalCorrupt(f"{kind}: {error}") from error
    return record


def _part(cls: type[Any], data: dict[str, Any]) -> Any:
    if isinstance(data.get("error"), dict):
        data["error"] = ErrorInfo(**data["error"])
    return cls(**data)
