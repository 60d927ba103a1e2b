"""A JSON file of settings as others publish them, the type of each checked."""

from pathlib import Path
from typing import TypeVar

from stepwell.models.errors import UnsupportedModel
from stepwell.models.files import read_json

_T = TypeVar("_T")


class Settings:
    """The settings in one file. What is null counts as absent."""

    def __init__(self, path: Path, *, optional: bool = False) -> None:
        """An optional file that is absent has no settings."""
        self.path = path
        self._values = {} if optional and not path.exists() else read_json(path, dict)

    def get(self, key: str, kind: type[_T], default: _T) -> _T:
        """A setting; `UnsupportedModel` if it is of another kind. 32.0 is an int, 0 is a float."""
        value = self._values.get(key)
        if value is None:
            return default
        value = _as_number(value, kind)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UnsupportedModel(f"{self.path}: {key} is {value!r}, {kind.__name__} expected")
        return value

    def require(self, key: str, kind: type[_T]) -> _T:
        """A setting that has no default."""
        if self._values.get(key) is None:
            raise UnsupportedModel(f"{self.path}: {key} is missing")
        return self.get(key, kind, kind())

    def is_set(self, key: str) -> bool:
        """Whether the file sets it to anything but null, false, zero or nothing."""
        return bool(self._values.get(key))

    def below(self, prefix: str) -> dict[str, object]:
        """The settings whose keys start so, by what follows."""
        return {
            key.removeprefix(prefix): value
            for key, value in self._values.items()
            if key.startswith(prefix)
        }


def _as_number(value: object, kind: type[object]) -> object:
    """Numbers as they were meant: JSON does not tell whole ones from others."""
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return float(value) if kind is float and type(value) is int else value
