"""Every setting as data, derived from the tree: for reading values, `stepwell config` and docs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import orjson
from pydantic import SecretStr, TypeAdapter

from stepwell.streams.settings import Settings

PREFIX = "STEPWELL_"
MASK = "********"
TYPE_NAMES: dict[object, str] = {
    bool: "true | false",
    int: "integer",
    str: "text",
    Path: "path",
    SecretStr: "secret",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: where it stands in the tree, what it takes and what it is for."""

    section: str
    name: str
    type: str
    """What a value looks like: integer, text, path, secret, secrets, tables, or words to choose."""
    default: object
    help: str
    adapter: TypeAdapter[object]

    @property
    def path(self) -> str:
        """The name in flags and messages: `kafka.bootstrap`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable: `STEPWELL_KAFKA_BOOTSTRAP`."""
        return f"{PREFIX}{self.section}_{self.name}".upper()

    @property
    def secret(self) -> bool:
        """Whether the value is never shown, and not taken from flags."""
        return self.type in {"secret", "secrets"}


@cache
def catalog() -> tuple[Setting, ...]:
    """All settings, in the order of the tree."""
    defaults = Settings()
    return tuple(
        Setting(
            section=section,
            name=name,
            type=_type_name(annotation),
            default=getattr(getattr(defaults, section), name),
            help=next(note for note in get_args(annotation) if isinstance(note, str)),
            adapter=TypeAdapter(annotation),
        )
        for section, record in sections().items()
        for name, annotation in get_type_hints(record, include_extras=True).items()
    )


@cache
def sections() -> dict[str, type]:
    """The record behind each section, by the section's name."""
    hints: dict[str, type] = get_type_hints(Settings)
    return {name: hint for name, hint in hints.items() if is_dataclass(hint)}


def shown(value: object) -> str:
    """A value as it may be printed: secrets masked, lists with commas, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        plain = {name: asdict(table) for name, table in value.items()}
        return orjson.dumps(plain).decode() if plain else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(shown(item) for item in value)
    return str(value)


def _type_name(annotation: object) -> str:
    if annotation in TYPE_NAMES:
        return TYPE_NAMES[annotation]
    if get_origin(annotation) is Literal:
        return " | ".join(get_args(annotation))
    if get_origin(annotation) is Mapping:
        return "tables"
    inner = _type_name(get_args(annotation)[0])
    return f"{inner}s" if get_origin(annotation) is tuple else inner
