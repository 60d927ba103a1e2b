"""Names that a read model's file knows, read without the journal: for who must not wait."""

from pathlib import Path

import apsw

BUSY_TIMEOUT_MS = 100
NAMES_MAX = 100
_LAST = chr(0x10FFFF)


def known_workflows(path: Path, prefix: str = "") -> list[str]:
    """The workflows that have instances; none where the file cannot be read at once."""
    return _read(
        path,
        "SELECT DISTINCT workflow FROM instances WHERE workflow >= ? AND workflow < ?"
        " ORDER BY workflow LIMIT ?",
        (prefix, prefix + _LAST, NAMES_MAX),
    )


def known_instances(path: Path, prefix: str = "") -> list[str]:
    """Ids of instances that begin so; the newest where there are many and nothing is given."""
    if not prefix:
        statement = "SELECT instance FROM instances ORDER BY created_ms DESC, id DESC LIMIT ?"
        return _read(path, statement, (NAMES_MAX,))
    return _read(
        path,
        "SELECT DISTINCT instance FROM instances WHERE instance >= ? AND instance < ?"
        " ORDER BY instance LIMIT ?",
        (prefix, prefix + _LAST, NAMES_MAX),
    )


def _read(path: Path, statement: str, values: tuple[str | int, ...]) -> list[str]:
    if not path.is_file():
        return []
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return []
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return [str(name) for (name,) in connection.execute(statement, values)]
    except apsw.Error:  # of another format, damaged, or in use
        return []
    finally:
        connection.close()
