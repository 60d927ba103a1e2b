"""Where values of settings are given: the TOML file, the environment and flags.

Each reader returns what it found by path (`kafka.bootstrap`), unchecked, with its origin. Unknown
names are errors that suggest the nearest known one.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.settings_catalog import PREFIX, Setting, catalog, sections


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it; `typed` when TOML gave it a type, otherwise it is text."""

    value: object
    origin: str
    typed: bool = False


def from_file(path: Path) -> dict[str, Given]:
    """The values in a TOML file; their origin is the file and, where it can be told, the line."""
    text = _read_text(path)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    known = {setting.path for setting in catalog()}
    given = {}
    for section, values in tree.items():
        _require_known(section, sections(), _place(path, text, section))
        if not isinstance(values, dict):
            raise ConfigurationError(f"{section} in {path} should be a table: [{section}]")
        for name, value in values.items():
            origin = _place(path, text, section, name)
            _require_known(f"{section}.{name}", known, origin)
            given[f"{section}.{name}"] = Given(value, origin, typed=True)
    return given


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """The values of `STEPWELL_SECTION_NAME`; for secrets also `…_FILE` with the name of a file."""
    variables = {setting.variable: setting for setting in catalog()}
    files = {f"{name}_FILE": setting for name, setting in variables.items() if setting.secret}
    prefixes = tuple(f"{PREFIX}{section}_".upper() for section in sections())
    given: dict[str, Given] = {}
    for variable in sorted(name for name in environ if name.startswith(prefixes)):
        _require_known(variable, (*variables, *files), "the environment")
        setting = variables.get(variable) or files[variable]
        if setting.path in given:
            raise ConfigurationError(f"set {given[setting.path].origin} or {variable}, not both")
        if variable in variables:
            value = _split(setting, environ[variable], ",")
        else:
            value = _split(setting, _read_text(Path(environ[variable]), variable), "\n")
        given[setting.path] = Given(value, variable)
    return given


def from_flags(flags: Mapping[str, str]) -> dict[str, Given]:
    """The values of flags, by path. Secrets are refused: other users can see a command line."""
    known = {setting.path: setting for setting in catalog()}
    for path in flags:
        _require_known(path, known, "a flag")
        if known[path].secret:
            variable = known[path].variable
            raise ConfigurationError(
                f"{path} is a secret and not taken from a flag, where every user of this machine"
                f" could read it: set {variable} or {variable}_FILE"
            )
    return {path: Given(text, "flag") for path, text in flags.items()}


def _require_known(name: str, known: Iterable[str], origin: str) -> None:
    names = list(known)
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "`stepwell config` lists all settings"
    raise ConfigurationError(f"{name} ({origin}) is not a setting: {hint}")


def _split(setting: Setting, text: str, separator: str) -> object:
    if setting.type != "secrets":
        return text
    return [part.strip() for part in text.removesuffix("\n").split(separator)]


def _read_text(path: Path, variable: str | None = None) -> str:
    what = f"{path} ({variable})" if variable else str(path)
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{what} is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigurationError(f"{what} cannot be read: {error.strerror}") from None


def _place(path: Path, text: str, section: str, name: str = "") -> str:
    """The file, and the line of the key or header where it is written in the usual way."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([\w-]+)\s*\]", line)
        if header:
            inside = header[1] == section
        if inside and (re.match(rf'\s*"?{re.escape(name)}"?\s*=', line) if name else header):
            return f"{path}:{number}"
    return str(path)
