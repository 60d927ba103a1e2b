"""Documents as lines of JSON: what `stepwell reindex` takes from a file.

    {"id": "handbook/leave", "title": "Leave", "body": "…", "labels": ["people"], "url": "https://…"}

Every field may be left out but two: a title or a body, and what names the document: `id`, or
`type`, `repo` and `number`, or `url`. Issues and milestones with a repository and a number are the
documents that their GitHub events make. Fields that no document has are ignored.
"""

from collections.abc import Mapping

import orjson

from stepwell.schemas.documents import Document
from stepwell.schemas.envelope import RFC3339
from stepwell.schemas.events import Json
from stepwell.schemas.github import REPO, document_key

LINE_BYTES_MAX = 8 * 1024 * 1024
DEFAULT_TYPE = "document"
_BOM = b"\xef\xbb\xbf"
_FROM_GITHUB = ("issue", "milestone")
_SHOWN = 80


class BadLine(ValueError):
    """A line that is no document; the message says why."""


def document_of_line(line: bytes, as_of: str) -> Document | None:
    """The document, of the version `as_of` if the line names none; None: the line is blank.

    Raises `BadLine`.
    """
    line = line.removeprefix(_BOM).strip()
    if not line:
        return None
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error}") from None
    if not isinstance(found, Mapping):
        raise BadLine(f"should be an object, not {type(found).__name__}")
    if "title" not in found and "body" not in found:
        raise BadLine("has neither title nor body")
    type_, repo, number = _text(found, "type", DEFAULT_TYPE), _text(found, "repo"), _number(found)
    url = _text(found, "url")
    return Document(
        key=_id(found) or _derived_key(type_, repo, number, url),
        type=type_,
        repo=repo,
        number=number,
        title=_text(found, "title"),
        body=_text(found, "body"),
        state=_text(found, "state"),
        url=url,
        updated_at=_time(found) or as_of,
        labels=_labels(found),
    )


def _derived_key(type_: str, repo: str, number: int, url: str) -> str:
    if repo and number:
        if type_ in _FROM_GITHUB and REPO.fullmatch(repo):
            return document_key(type_, repo, number)
        return f"{type_}:{repo}#{number}"
    if url:
        return url
    raise BadLine("nothing names the document: give an id, or repo and number, or a url")


def _id(found: Mapping[str, Json]) -> str:
    value = found.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(found, "id")


def _text(found: Mapping[str, Json], name: str, default: str = "") -> str:
    value = found.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise BadLine(f"{name} should be text, not {type(value).__name__}")
    return value


def _number(found: Mapping[str, Json]) -> int:
    value = found.get("number", 0)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadLine(f"number should be a whole number from 0, not {str(value)[:_SHOWN]!r}")
    return value


def _time(found: Mapping[str, Json]) -> str:
    text = _text(found, "updated_at")
    if text and not RFC3339.fullmatch(text):
        raise BadLine(
            f"updated_at {text[:_SHOWN]!r} is no RFC 3339 time such as 2026-01-31T12:00:00Z"
        )
    return text


def _labels(found: Mapping[str, Json]) -> tuple[str, ...]:
    labels = found.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadLine("labels should be a list of texts")
    return tuple(labels)
