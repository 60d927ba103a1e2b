"""GitHub webhooks to events: only what the workflow needs is kept, so any webhook fits a record.

Pure: signatures and HTTP are the gateway's.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stepwell.schemas.documents import Document, Removal
from stepwell.schemas.envelope import RFC3339, schema_id
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent, Json
from stepwell.schemas.texts import (
    BODY_BYTES_MAX,
    LABEL_BYTES_MAX,
    LABELS_MAX,
    TITLE_BYTES_MAX,
    clean,
    clip,
)

REPO = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_PIECE = 1024 * 1024

TYPE_PREFIX = "com.github."
# fmt: off
ISSUE_ACTIONS = frozenset({
    "opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed", "reopened",
    "assigned", "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned",
    "demilestoned", "typed", "untyped",
})
# fmt: on
MILESTONE_ACTIONS = frozenset({"created", "opened", "closed", "edited", "deleted"})
COMMENT_ACTIONS = frozenset({"created", "edited", "deleted"})
REMOVALS = frozenset(
    TYPE_PREFIX + name
    for name in (
        "issues.deleted",
        "issues.transferred",
        "milestone.deleted",
        "issue_comment.deleted",
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubComment(GithubItem):
    """A comment on an issue: number, title, state and labels are those of the issue."""

    type: str
    """`comment`."""
    body: str
    """Text of the comment."""
    url: str
    """Where to read the comment on GitHub."""
    comment_id: int
    """The comment among all of GitHub's."""


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
COMMENT = _Kind("issue_comment", "comment", "body", "github-issue-comment", "#", COMMENT_ACTIONS)
_KINDS = {kind.event: kind for kind in (ISSUES, MILESTONE, COMMENT)}
_ITEMS = {kind.item: kind for kind in (ISSUES, MILESTONE, COMMENT)}


def is_used(event_name: str, *, comments: bool = False) -> bool:
    """Whether webhooks of this name can become events."""
    return event_name in _KINDS and (comments or event_name != COMMENT.event)


def github_event(
    event_name: str, delivery_id: str, payload: Mapping[str, Json], *, comments: bool = False
) -> CloudEvent | Ignored:
    """The event of a webhook, or why it is none; raises `EventRejected` naming a missing field."""
    kind = _KINDS.get(event_name)
    if kind is None:
        return Ignored(f"events {event_name[:50]!r} are not used")
    if not is_used(event_name, comments=comments):
        return Ignored("comments are not used: content.comments is off")
    action = _text(payload, "action", "payload")
    found = _object(kind, payload, kind.item)
    if action not in kind.actions:
        return Ignored(f"action {action[:50]!r} of {event_name!r} is not known")
    repository = _object(kind, payload, "repository")
    repo = _repo(repository, "full_name", "repository")
    if kind is not COMMENT:
        item = _item(kind, action, repo, found)
    else:
        issue = _object(kind, payload, ISSUES.item)
        if "pull_request" in issue:
            return Ignored("comments on pull requests are not used")
        item = _comment(action, repo, found, issue)
    return CloudEvent(
        id=delivery_id,
        source=f"https://github.com/{item.repo}",
        type=f"{TYPE_PREFIX}{kind.event}.{action}",
        subject=subject_of(item),
        data=_plain(item),
        time=item.updated_at,
        extensions={"dataschema": schema_id(kind.schema)},
    )


def is_removal(event_type: str) -> bool:
    """Whether the thing that an event is about has ceased to exist (in this repository)."""
    return event_type in REMOVALS


def document_key(type_: str, repo: str, number: int) -> str:
    """What names an issue or milestone: the subject of its events and the key of its document."""
    return f"github:{repo}{_ITEMS[type_].separator}{number}"


def comment_key(repo: str, number: int, comment_id: int) -> str:
    """What names a comment on an issue."""
    return f"{document_key(ISSUES.item, repo, number)}/comment/{comment_id}"


def subject_of(item: GithubItem) -> str:
    """What an event of the item is about, and the key of its document."""
    if isinstance(item, GithubComment):
        return comment_key(item.repo, item.number, item.comment_id)
    return document_key(item.type, item.repo, item.number)


def document_of_item(type_: str, repo: str, found: Mapping[str, Json]) -> Document:
    """An issue or milestone of GitHub's API as its event would bring it.

    Raises `EventRejected` naming the wrong field.
    """
    return document_of(_plain(_item(_ITEMS[type_], "", repo, found)))


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
    if type_ not in _ITEMS:
        raise _shape("type", f"one of {', '.join(_ITEMS)} expected, found {type_[:50]!r}")
    repo, number = _repo(data, "repo"), _number(data, "number")
    if type_ == COMMENT.item:
        return comment_key(repo, number, _number(data, "comment_id"))
    return document_key(type_, repo, number)


def _plain(item: GithubItem) -> dict[str, Json]:
    return asdict(item) | {"labels": list(item.labels)}


def _item(kind: _Kind, action: str, repo: str, found: Mapping[str, Json]) -> GithubItem:
    title, title_cut = clip(_text(found, "title", kind.item), TITLE_BYTES_MAX)
    body, body_cut = clip(_optional_text(found, kind.body, kind.item), BODY_BYTES_MAX)
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


def _comment(
    action: str, repo: str, found: Mapping[str, Json], issue: Mapping[str, Json]
) -> GithubComment:
    about = asdict(_item(ISSUES, action, repo, {**issue, "body": None}))
    body, cut = clip(_optional_text(found, "body", "comment"), BODY_BYTES_MAX)
    own = {
        "type": COMMENT.item,
        "body": body,
        "url": _text(found, "html_url", "comment"),
        "updated_at": _time(found, "updated_at", "comment"),
        "comment_id": _number(found, "id", "comment"),
        "truncated": cut or about["truncated"],
    }
    return GithubComment(**about | own)


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
    clipped = [clip(clean(name), LABEL_BYTES_MAX) for name in names if isinstance(name, str)]
    kept = clipped[:LABELS_MAX]
    return tuple(text for text, _ in kept), len(clipped) > LABELS_MAX or any(cut for _, cut in kept)


def _texts(data: Mapping[str, Json], name: str) -> tuple[str, ...]:
    texts = data.get(name, ())
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise _shape(f"data.{name}", "list of texts expected")
    return tuple(clean(text) for text in texts)


def _text(data: Mapping[str, Json], name: str, path: str = "data") -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise _shape(f"{path}.{name}", f"text expected, found {_found(value)}")
    return clean(value)


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


def _found(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _shape(path: str, detail: str) -> EventRejected:
    return EventRejected(RejectReason.SHAPE, f"{path}: {detail}")
