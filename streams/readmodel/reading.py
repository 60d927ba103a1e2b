"""Which rows a reader means: filters and cursors as SQL."""

from collections.abc import Iterator

from stepwell.streams.errors import InvalidRequest
from stepwell.streams.lists import InstanceFilters

COLUMNS = (
    "workflow, instance, status, created_ms, updated_ms, error, reason, subject"  # of a summary
)
_LAST = chr(0x10FFFF)
_INTEGER_MAX, _DIGITS = 2**63 - 1, 20


def where(
    filters: InstanceFilters, cursor: str | None = None, *, oldest_first: bool = False
) -> tuple[str, list[str | int]]:
    """The condition, and the values in it; raises `InvalidRequest` for a cursor of nobody."""
    parts: list[str] = []
    values: list[str | int] = []
    for condition, found in _conditions(filters, cursor, ">" if oldest_first else "<"):
        parts.append(condition)
        values.extend(found)
    return f"WHERE {' AND '.join(parts)}" if parts else "", values


def cursor_of(created_ms: int, number: int) -> str:
    """Leads to what follows this instance."""
    return f"{created_ms}.{number}"


def _conditions(
    filters: InstanceFilters, cursor: str | None, beyond: str
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    equal = {
        "workflow": filters.workflow,
        "status": filters.status,
        "subject": filters.subject,
    }
    for column, value in equal.items():
        if value is not None:
            yield f"{column} = ?", (value,)
    if filters.statuses:
        yield f"status IN ({', '.join('?' * len(filters.statuses))})", filters.statuses
    if filters.created_from_ms is not None:
        yield "created_ms >= ?", (filters.created_from_ms,)
    if filters.created_before_ms is not None:
        yield "created_ms < ?", (filters.created_before_ms,)
    if filters.id_prefix:
        yield "instance >= ? AND instance < ?", (filters.id_prefix, filters.id_prefix + _LAST)
    if filters.text:
        columns = ("instance", "error", "subject")
        either = " OR ".join(f"{column} LIKE ? ESCAPE '!'" for column in columns)
        yield f"({either})", (_containing(filters.text),) * len(columns)
    if cursor is not None:
        created_ms, _, number = cursor.partition(".")
        if not (_is_number(created_ms) and _is_number(number)):
            raise InvalidRequest("the cursor is not one of those that listings give")
        yield f"(created_ms, id) {beyond} (?, ?)", (int(created_ms), int(number))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < _DIGITS and int(text) <= _INTEGER_MAX


def _containing(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text}%"
