"""GitHub webhooks to events: only what the workflow needs is kept, so any webhook fits a record.

Pure: signatures and HTTP are the gateway's.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stepwell.schemas.cloudevents import RFC3339, schema_id
from stepwell.schemas.documents import Document, Removal
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json

BODY_BYTES_MAX = 256 * 1024
TITLE_BYTES_MAX = 4 * 1024
LABELS_MAX = 100
LABEL_BYTES_MAX = 256

REPO = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

TYPE_PREFIX = "com.github."
# fmt: off
ISSUE_ACTIONS = frozenset({
    "opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed", "reopened",
    "assigned", "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned",
    "demilestoned", "typed", "untyped",
})
# fmt: on
MILESTONE_ACTIONS = frozenset({"created", "opened", "closed", "edited", "deleted"})
REMOVALS = frozenset(
    TYPE_PREFIX + name for name in ("issues.deleted", "issues.transferred", "milestone.deleted")
)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine delivery that starts nothing; `reason` is for the sender and the log."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubItem:
    """The data of a GitHub event: the issue or milestone as it is after the action."""

    type: str
    """`issue` or `milestone`."""
    repo: str
    """`owner/name`."""
    number: int
    """Number of the issue or milestone in its repository."""
    title: str
    body: str
    """Text of the issue, or description of the milestone; empty if there is none."""
    state: str
    """`open` or `closed`; be ready for others."""
    url: str
    """Where to read it on GitHub."""
    labels: tuple[str, ...]
    """Names of the labels; always empty for milestones."""
    updated_at: str
    """RFC 3339; orders the versions of one item."""
    action: str
    """What happened, such as `opened`, `edited` or `deleted`; be ready for others."""
    truncated: bool = False
    """Whether title, body or labels were cut to fit."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one GitHub event is read: where the item lies and what its parts are called."""

    event: str
    item: str
    body: str
    schema: str
    separator: str
    actions: frozenset[str]


ISSUES = _Kind("issues", "issue", "body", "github-issues", "#", ISSUE_ACTIONS)
MILESTONE = _Kind(
    "milestone", "milestone", "description", "github-milestone", "/milestone/", MILESTONE_ACTIONS
)
_KINDS = {kind.event: kind for kind in (ISSUES, MILESTONE)}
_SEPARATORS = {kind.item: kind.separator for kind in (ISSUES, MILESTONE)}


def github_event(
    event_name: str, delivery_id: str, payload: Mapping[str, Json]
) -> CloudEvent | Ignored:
    """The event of a webhook, or why it is none; raises `EventRejected` naming a missing field."""
    kind = _KINDS.get(event_name)
    if kind is None:
        return Ignored(f"events {event_name[:50]!r} are not used")
    action = _text(payload, "action", "payload")
    found = _object(kind, payload, kind.item)
    if action not in kind.actions:
        return Ignored(f"action {action[:50]!r} of {event_name!r} is not known")
    repository = _object(kind, payload, "repository")
    item = _item(kind, action, _repo(repository, "full_name", "repository"), found)
    return CloudEvent(
        id=delivery_id,
        source=f"https://github.com/{item.repo}",
        type=f"{TYPE_PREFIX}{kind.event}.{action}",
        subject=document_key(item.type, item.repo, item.number),
        data=asdict(item) | {"labels": list(item.labels)},
        time=item.updated_at,
        extensions={"dataschema": schema_id(kind.schema)},
    )


def is_removal(event_type: str) -> bool:
    """Whether the thing that an event is about has ceased to exist (in this repository)."""
    return event_type in REMOVALS


def document_key(type_: str, repo: str, number: int) -> str:
    """What names an item: the subject of its events and the key of its document."""
    return f"github:{repo}{_SEPARATORS[type_]}{number}"


def document_of(data: Json) -> Document:
    """The document in the data of an event; raises `EventRejected` naming the wrong field.

    Unknown fields and unknown words (states, actions) are taken as they are.
    """
    if not isinstance(data, Mapping):
        raise _shape("data", f"object expected, found {type(data).__name__}")
    return Document(
        key=_key_of(data),
        type=_text(data, "type"),
        repo=_repo(data, "repo"),
        number=_number(data, "number"),
        title=_text(data, "title"),
        body=_text(data, "body"),
        state=_text(data, "state"),
        url=_text(data, "url"),
        updated_at=_time(data, "updated_at"),
        labels=_texts(data, "labels"),
    )


def removal_of(data: Json) -> Removal:
    """The removal of the document that the data of an event names; raises `EventRejected`."""
    if not isinstance(data, Mapping):
        raise _shape("data", f"object expected, found {type(data).__name__}")
    return Removal(key=_key_of(data), updated_at=_time(data, "updated_at"))


def _key_of(data: Mapping[str, Json]) -> str:
    type_ = _text(data, "type")
    if type_ not in _SEPARATORS:
        raise _shape("type", f"one of {', '.join(_SEPARATORS)} expected, found {type_[:50]!r}")
    return document_key(type_, _repo(data, "repo"), _number(data, "number"))


def _item(kind: _Kind, action: str, repo: str, found: Mapping[str, Json]) -> GithubItem:
    title, title_cut = _clip(_text(found, "title", kind.item), TITLE_BYTES_MAX)
    body, body_cut = _clip(_optional_text(found, kind.body, kind.item), BODY_BYTES_MAX)
    labels, labels_cut = _labels(found)
    return GithubItem(
        type=kind.item,
        repo=repo,
        number=_number(found, "number", kind.item),
        title=title,
        body=body,
        state=_optional_text(found, "state", kind.item),
        url=_text(found, "html_url", kind.item),
        labels=labels,
        updated_at=_time(found, "updated_at", kind.item),
        action=action,
        truncated=title_cut or body_cut or labels_cut,
    )


def _object(kind: _Kind, payload: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = payload.get(name)
    if isinstance(found, Mapping):
        return found
    others = sorted(other.event for other in _KINDS.values() if other.item in payload)
    hint = f"; the payload looks like {others[0]!r}" if others and others[0] != kind.event else ""
    raise _shape(name, f"object expected in an {kind.event!r} event, found {_found(found)}{hint}")


def _labels(item: Mapping[str, Json]) -> tuple[tuple[str, ...], bool]:
    labels = item.get("labels") or []
    if not isinstance(labels, list):
        raise _shape("issue.labels", f"list expected, found {_found(labels)}")
    names = [label.get("name") if isinstance(label, Mapping) else label for label in labels]
    clipped = [_clip(_clean(name), LABEL_BYTES_MAX) for name in names if isinstance(name, str)]
    kept = clipped[:LABELS_MAX]
    return tuple(text for text, _ in kept), len(clipped) > LABELS_MAX or any(cut for _, cut in kept)


def _texts(data: Mapping[str, Json], name: str) -> tuple[str, ...]:
    texts = data.get(name, ())
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise _shape(f"data.{name}", "list of texts expected")
    return tuple(_clean(text) for text in texts)


def _text(data: Mapping[str, Json], name: str, path: str = "data") -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise _shape(f"{path}.{name}", f"text expected, found {_found(value)}")
    return _clean(value)


def _optional_text(data: Mapping[str, Json], name: str, path: str) -> str:
    return "" if data.get(name) is None else _text(data, name, path)


def _repo(data: Mapping[str, Json], name: str, path: str = "data") -> str:
    repo = _text(data, name, path)
    if not REPO.fullmatch(repo):
        raise _shape(f"{path}.{name}", f"owner/name expected, found {repo[:100]!r}")
    return repo


def _time(data: Mapping[str, Json], name: str, path: str = "data") -> str:
    time = _text(data, name, path)
    if not RFC3339.fullmatch(time):
        raise _shape(f"{path}.{name}", f"RFC 3339 time expected, found {time[:50]!r}")
    return time


def _number(data: Mapping[str, Json], name: str, path: str = "data") -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _shape(f"{path}.{name}", f"positive integer expected, found {_found(value)}")
    return value


def _clean(text: str) -> str:
    # NUL breaks stores; the others mean nothing in Markdown and take six bytes each in JSON.
    return _CONTROLS.sub("", text)


def _clip(text: str, bytes_max: int) -> tuple[str, bool]:
    """The text cut at a character so that it has at most `bytes_max` bytes; whether it was cut."""
    raw = text.encode()
    if len(raw) <= bytes_max:
        return text, False
    return raw[:bytes_max].decode(errors="ignore"), True


def _found(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _shape(path: str, detail: str) -> EventRejected:
    return EventRejected(RejectReason.SHAPE, f"{path}: {detail}")
