"""What a query string asks of a search: the same for the API and the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from multidict import MultiMapping

from stepwell.schemas.documents import SearchFilters
from stepwell.streams.gateway.searching import (
    FILTER_LENGTH_MAX,
    LABELS_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    QUERY_LENGTH_MAX,
    QueryRefused,
)
from stepwell.streams.ports import SearchMode

FACETS = ("type", "repo", "state")
PARAMETERS = frozenset({"q", "mode", "limit", "label", *FACETS})
KEY_LENGTH_MAX = 4096
_LIMIT_DIGITS = 4
_LENGTHS: Mapping[str, int] = {"q": QUERY_LENGTH_MAX, "like": KEY_LENGTH_MAX}


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it is asked for."""

    text: str = ""
    mode: SearchMode = SearchMode.SEMANTIC
    limit: int = LIMIT_DEFAULT
    filters: SearchFilters = field(default_factory=SearchFilters)


def read_query(query: MultiMapping[str], known: frozenset[str] = PARAMETERS) -> Asked:
    """What a query string asks for; raises `QueryRefused` naming the parameter.

    An empty filter is none: that is what an untouched field of a form sends.
    """
    for name in query:
        if name not in known:
            raise QueryRefused(f"{name[:80]}: there is no such parameter")
        if name != "label" and len(query.getall(name)) > 1:
            raise QueryRefused(f"{name}: is there twice")
    for name, value in query.items():
        longest = _LENGTHS.get(name, FILTER_LENGTH_MAX)
        if len(value) > longest:
            raise QueryRefused(f"{name}: at most {longest} characters")
    labels = tuple(dict.fromkeys(label for label in query.getall("label", []) if label))
    if len(labels) > LABELS_MAX:
        raise QueryRefused(f"label: at most {LABELS_MAX} of them")
    facets = {name: query.get(name) or None for name in FACETS}
    return Asked(
        query.get("q", "").strip(),
        _mode(query.get("mode", "")),
        _limit(query.get("limit", "")),
        SearchFilters(**facets, labels=labels),
    )


def _mode(text: str) -> SearchMode:
    if not text:
        return SearchMode.SEMANTIC
    if text not in list(SearchMode):
        raise QueryRefused(f"mode: one of {', '.join(SearchMode)}")
    return SearchMode(text)


def _limit(text: str) -> int:
    if not text:
        return LIMIT_DEFAULT
    digits = text.isascii() and text.isdecimal() and len(text) <= _LIMIT_DIGITS
    if not digits or not 1 <= int(text) <= LIMIT_MAX:
        raise QueryRefused(f"limit: 1 to {LIMIT_MAX}")
    return int(text)
