"""The reference of all settings, made of the catalog: it cannot be out of date."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import get_args, get_type_hints

from stepwell.streams.settings_catalog import Setting, catalog, sections, shown

UNITS = {"ms": "milliseconds", "bytes": "bytes", "port": "port", "tokens": "tokens"}
"""By a word of the name; numbers without one are counts."""
NOTHING = "–"
_INTRODUCTION = """# Settings

An option wins over the environment, that over `stepwell.toml`, that over the default. Every setting
but a secret is an option: `--set kafka.bootstrap=host:9092`. With `_FILE` behind its name a
variable says which file holds the value. Lists have commas between their parts; in the file of a
list of secrets each has its line.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting as the reference shows it."""

    setting: str
    type: str
    unit: str
    default: str
    limits: str
    variable: str
    meaning: str
    keys: tuple[str, ...] = ()
    """Of each table, where the setting is several; `*` marks those that are needed."""


def rows() -> list[Entry]:
    """Every setting, in the order of the tree."""
    return [
        Entry(
            setting=setting.path,
            type=setting.type,
            unit=_unit(setting),
            default=_default(setting.default),
            limits=_limits(setting),
            variable=setting.variable,
            meaning=setting.help,
            keys=_keys(setting),
        )
        for setting in catalog()
    ]


def markdown() -> str:
    """The whole reference: a table for each section."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    for section, entries in groupby(rows(), lambda entry: entry.setting.partition(".")[0]):
        found = list(entries)
        yield f"## {section}\n"
        yield f"{_first_line(sections()[section])}\n"
        yield "| setting | meaning | type | unit | default | limits | environment |"
        yield "|---|---|---|---|---|---|---|"
        for it in found:
            cells = (
                f"`{it.setting}`",
                it.meaning,
                it.type,
                it.unit,
                it.default if it.default == NOTHING else f"`{it.default}`",
                it.limits,
                f"`{it.variable}`",
            )
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        for it in found:
            if it.keys:
                yield f"\nA table of `{it.setting}` has: {', '.join(it.keys)} (* is needed)."
        yield ""


def _unit(setting: Setting) -> str:
    if setting.type != "integer":
        return NOTHING
    words = setting.name.split("_")
    return next((unit for word, unit in UNITS.items() if word in words), "count")


def _default(value: object) -> str:
    text = shown(value)
    return text.replace(str(Path.home()), "~") if isinstance(value, Path) else text or NOTHING


def _limits(setting: Setting) -> str:
    if setting.type != "integer":
        return NOTHING
    schema = setting.adapter.json_schema()
    for part in (schema, *schema.get("anyOf", ())):
        low, high = part.get("minimum"), part.get("maximum")
        if low is not None:
            return f"{low} or more" if high is None else f"{low} to {high}"
    return NOTHING


def _keys(setting: Setting) -> tuple[str, ...]:
    if setting.type != "tables":
        return ()
    return tuple(
        f"`{it.name}`*"
        if it.default is MISSING and it.default_factory is MISSING
        else f"`{it.name}`"
        for it in fields(_table_of(setting))
    )


def _table_of(setting: Setting) -> type:
    """The record behind each table of a setting that is several."""
    hints = get_type_hints(sections()[setting.section])
    _, record = get_args(hints[setting.name])
    assert isinstance(record, type)
    return record


def _first_line(record: type) -> str:
    return (record.__doc__ or "").strip().splitlines()[0]
