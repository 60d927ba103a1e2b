"""Which instances are meant: filters, as a query or a body says them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from aiohttp import web

from stepwell.streams.engine.state import Status
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.routing import Parameter
from stepwell.streams.lists import InstanceFilters

TEXT_LENGTH_MAX = 1000
NUMBER_LENGTH_MAX = 15
_NAME_SHOWN = 80
_MANY = frozenset({"status"})
TEXTS = frozenset({"workflow", "status", "id_prefix", "subject", "text", "cursor"})
OTHERS = frozenset({"created_from", "created_before", "limit"})
_TEXT = {"type": "string", "maxLength": TEXT_LENGTH_MAX}
_TIME = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 10**NUMBER_LENGTH_MAX - 1},
        {"type": "string", "format": "date-time"},
    ]
}
_STATUSES = {"type": "array", "items": {"enum": list(Status)}, "uniqueItems": True}
QUERY = (
    Parameter("workflow", "Only those of this workflow.", _TEXT),
    Parameter("status", "Only those in one of these statuses.", _STATUSES),
    Parameter("created_from", "Created then or later: milliseconds, or RFC 3339.", _TIME),
    Parameter("created_before", "Created before.", _TIME),
    Parameter("id_prefix", "Ids that begin so.", _TEXT),
    Parameter("subject", "What the event that started them is about.", _TEXT),
    Parameter("text", "To be found in id, error or subject.", _TEXT),
    Parameter("limit", "So many at once.", {"type": "integer", "minimum": 1, "maximum": 500}),
    Parameter("cursor", "Of the page before.", {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}),
)

Asked = Mapping[str, Sequence[str]]


def query_of(request: web.Request, known: frozenset[str]) -> dict[str, list[str]]:
    """The parameters; raises `InvalidRequest` for those that are unknown, doubled or too long."""
    workflow = request.match_info.get("workflow")
    asked = {} if workflow is None else {"workflow": [workflow]}
    for name, value in request.query.items():
        if name not in known:
            raise InvalidRequest(f"{name[:_NAME_SHOWN]}: there is no such parameter")
        if name in asked and name not in _MANY:
            raise InvalidRequest(f"{name}: is there twice")
        if len(value) > TEXT_LENGTH_MAX:
            raise InvalidRequest(f"{name}: at most {TEXT_LENGTH_MAX} characters")
        asked.setdefault(name, []).append(value)
    return asked


def limit_of(asked: Asked, *, default: int, most: int) -> int:
    """How many are wanted; raises `InvalidRequest`."""
    limit = number_of(asked, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise InvalidRequest(f"limit: 1 to {most}")
    return limit


def filters_of(asked: Asked) -> InstanceFilters:
    """The filters; raises `InvalidRequest`."""
    statuses = tuple(dict.fromkeys(asked.get("status", ())))
    if not set(statuses) <= set(Status):
        raise InvalidRequest(f"status: one of {', '.join(Status)}")
    return InstanceFilters(
        workflow=_text(asked, "workflow"),
        statuses=statuses,
        created_from_ms=time_of(asked, "created_from"),
        created_before_ms=time_of(asked, "created_before"),
        id_prefix=_text(asked, "id_prefix"),
        subject=_text(asked, "subject"),
        text=_text(asked, "text"),
    )


def number_of(asked: Asked, name: str) -> int | None:
    """A whole number; raises `InvalidRequest`."""
    text = _text(asked, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_LENGTH_MAX):
        raise InvalidRequest(f"{name}: a whole number of at most {NUMBER_LENGTH_MAX} digits")
    return int(text)


def time_of(asked: Asked, name: str) -> int | None:
    """Milliseconds since 1970; raises `InvalidRequest`."""
    text = _text(asked, name) or ""
    if not text or text.isdecimal():
        return number_of(asked, name)
    try:
        at = datetime.fromisoformat(text)
        moment_s = at.timestamp() if at.tzinfo else None
    except (ValueError, OverflowError):
        moment_s = None
    if moment_s is None:
        raise InvalidRequest(f"{name}: milliseconds, or a time like 2026-11-21T22:00:00Z")
    return round(moment_s * 1000)


def _text(asked: Asked, name: str) -> str | None:
    return next(iter(asked.get(name, ())), None)
