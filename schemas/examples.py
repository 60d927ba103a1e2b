"""One event of each public type, as the published schemas and the AsyncAPI document show it."""

from dataclasses import asdict

from stepwell.schemas.envelope import schema_id
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.github import (
    COMMENT,
    ISSUES,
    MILESTONE,
    TYPE_PREFIX,
    GithubComment,
    GithubItem,
    subject_of,
)
from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.lifecycle import lifecycle_event

_ISSUE = GithubItem(
    type="issue",
    repo="acme/site",
    number=42,
    title="Search is slow",
    body="It takes ten seconds.",
    state="open",
    url="https://github.com/acme/site/issues/42",
    labels=("bug",),
    updated_at="2026-01-31T10:00:00Z",
    action="opened",
)
_MILESTONE = GithubItem(
    type="milestone",
    repo="acme/site",
    number=3,
    title="Faster search",
    body="",
    state="closed",
    url="https://github.com/acme/site/milestone/3",
    labels=(),
    updated_at="2026-02-28T10:00:00Z",
    action="closed",
)
_COMMENT = GithubComment(
    type="comment",
    repo="acme/site",
    number=42,
    title="Search is slow",
    body="It is the index that is missing.",
    state="open",
    url="https://github.com/acme/site/issues/42#issuecomment-492700400",
    labels=("bug",),
    updated_at="2026-01-31T11:00:00Z",
    action="created",
    comment_id=492700400,
)


def _github(item: GithubItem, event: str, schema: str, delivery: str) -> CloudEvent:
    return CloudEvent(
        id=delivery,
        source=f"https://github.com/{item.repo}",
        type=f"{TYPE_PREFIX}{event}.{item.action}",
        subject=subject_of(item),
        data=asdict(item) | {"labels": list(item.labels)},
        time=item.updated_at,
        extensions={"dataschema": schema_id(schema)},
    )


ISSUE_OPENED = _github(_ISSUE, "issues", ISSUES.schema, "72d3162e-cc78-11e3-81ab-4c9367dc0958")
MILESTONE_CLOSED = _github(
    _MILESTONE, "milestone", MILESTONE.schema, "8b1f4a1c-1d2e-4f3a-9b5c-6d7e8f901234"
)
COMMENT_CREATED = _github(
    _COMMENT, "issue_comment", COMMENT.schema, "3c6b2f0e-58a1-4a8e-8f6f-2b7a9c0d1e2f"
)
ORDER_PLACED = CloudEvent(
    id="order-9-placed",
    source="/shop",
    type="com.example.order.placed",
    subject="order-9",
    data={"customer": "Zoë", "total": 12.5, "items": [{"sku": "lamp", "count": 2}]},
    time="2026-01-31T10:00:00Z",
    extensions={"tenant": "acme"},
)
INSTANCE_ERRORED = lifecycle_event(
    InstanceKey("embed-content", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    "errored",
    offset=1234,
    at_ms=1_769_853_600_000,
    error="IndexUnavailable: no answer in 10 s",
)
