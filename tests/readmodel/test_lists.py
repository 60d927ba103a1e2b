"""Lists: what a filter lets through, pages that fit together, counts."""

import pytest

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    InstanceRecord,
)
from stepwell.schemas.parts import ErrorInfo, Origin
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.lists import InstanceFilters, WorkflowView
from stepwell.streams.readmodel.model import ReadModel


def origin(subject: str) -> Origin:
    return Origin("e-1", "issue", "github", subject, "events", 0, 0)


@pytest.fixture
def model():
    """Six instances, of which some have ended; `b-2` is the newest."""
    model = ReadModel()
    records: list[tuple[str, InstanceRecord]] = [
        ("order/a-1", InstanceCreated(None, 1_000, origin("github:acme/site#1"))),
        ("order/a-2", InstanceCreated(None, 2_000, origin("github:acme/site#2"))),
        ("order/A-3", InstanceCreated(None, 2_000)),
        ("audit/a-1", InstanceCreated(None, 3_000)),
        ("audit/b_1", InstanceCreated(None, 4_000)),
        ("audit/b-2", InstanceCreated(None, 5_000)),
        ("order/a-1", InstanceCompleted(0, 0, 9_000, 1)),
        ("audit/a-1", InstanceErrored(3, 0, 9_000, ErrorInfo("Boom", "100% of it BROKE"))),
    ]
    model.take((0, at, key.encode(), codec.encode(it)) for at, (key, it) in enumerate(records))
    return model


def test_who_was_about_something_is_the_newest_that_completed(model):
    again = ("order/a-9", InstanceCreated(None, 3_000, origin("github:acme/site#1")))
    model.take([(0, 8, again[0].encode(), codec.encode(again[1]))])
    wanted = ["github:acme/site#1", "github:acme/site#2", "nothing", "' OR 1=1 --"]
    assert model.about(wanted, ["order"]) == {wanted[0]: InstanceKey("order", "a-1")}
    done = InstanceCompleted(8, 0, 9_500, 1)
    model.take([(0, 9, b"order/a-9", codec.encode(done))])
    assert model.about(wanted, ["order"]) == {wanted[0]: InstanceKey("order", "a-9")}
    assert model.about(wanted, ["audit"]) == {}


def names(model, **filters):
    page = model.page(InstanceFilters(**filters), limit=10)
    return [f"{it.workflow}/{it.instance_id}" for it in page.instances]


NEWEST_FIRST = ["audit/b-2", "audit/b_1", "audit/a-1", "order/A-3", "order/a-2", "order/a-1"]


def test_without_a_filter_all_come_newest_first(model):
    assert names(model) == NEWEST_FIRST


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"workflow": "order"}, ["order/A-3", "order/a-2", "order/a-1"]),
        ({"workflow": "ord"}, []),
        ({"status": "running"}, ["audit/b-2", "audit/b_1", "order/A-3", "order/a-2"]),
        ({"status": "errored"}, ["audit/a-1"]),
        ({"statuses": ("errored", "complete")}, ["audit/a-1", "order/a-1"]),
        ({"statuses": ("complete",), "workflow": "audit"}, []),
        ({"created_from_ms": 3_000}, ["audit/b-2", "audit/b_1", "audit/a-1"]),
        ({"created_from_ms": 2_000, "created_before_ms": 3_000}, ["order/A-3", "order/a-2"]),
        ({"id_prefix": "a-"}, ["audit/a-1", "order/a-2", "order/a-1"]),
        ({"id_prefix": "b_"}, ["audit/b_1"]),
        ({"subject": "github:acme/site#2"}, ["order/a-2"]),
        ({"text": "broke"}, ["audit/a-1"]),
        ({"text": "ACME"}, ["order/a-2", "order/a-1"]),
        ({"text": "a-3"}, ["order/A-3"]),
        ({"text": "%"}, ["audit/a-1"]),
        ({"text": "_1"}, ["audit/b_1"]),
        ({"text": "!"}, []),
        ({"text": "' OR 1=1 --"}, []),
        (
            {"workflow": "audit", "status": "errored", "text": "boom", "id_prefix": "a"},
            ["audit/a-1"],
        ),
    ],
)
def test_filters(model, filters, expected):
    assert names(model, **filters) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_pages_fit_together(model, limit):
    found, cursor = [], None
    while True:
        page = model.page(limit=limit, cursor=cursor)
        found += [f"{it.workflow}/{it.instance_id}" for it in page.instances]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == NEWEST_FIRST


def test_what_comes_later_moves_no_page(model):
    first = model.page(limit=2)
    model.take([(0, 8, b"order/new", codec.encode(InstanceCreated(None, 9_000)))])
    second = model.page(limit=2, cursor=first.cursor)
    assert [it.instance_id for it in second.instances] == ["a-1", "A-3"]


@pytest.mark.parametrize(
    "cursor", ["", ".", "1", "1.", "x.y", "-1.2", "1.2.3", "9" * 30 + ".1", f"1.{2**63}", "²."]
)
def test_a_cursor_that_is_none_is_refused(model, cursor):
    with pytest.raises(InvalidRequest, match="cursor"):
        model.page(limit=1, cursor=cursor)


def test_workflows_are_counted_by_status(model):
    assert model.workflows() == [
        WorkflowView("audit", {"errored": 1, "running": 2}),
        WorkflowView("order", {"complete": 1, "running": 2}),
    ]


def test_an_id_may_mean_several_instances_and_latest_means_the_newest(model):
    assert model.find(None, "a-1") == [InstanceKey("audit", "a-1"), InstanceKey("order", "a-1")]
    assert model.find("order", "a-1") == [InstanceKey("order", "a-1")]
    assert model.find(None, "latest") == [InstanceKey("audit", "b-2")]
    assert model.find("order", "latest") == [InstanceKey("order", "A-3")]
    assert model.find("none", "latest") == []


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_the_oldest_may_come_first(model, limit):
    found, cursor = [], None
    while True:
        page = model.page(limit=limit, cursor=cursor, oldest_first=True)
        found += [f"{it.workflow}/{it.instance_id}" for it in page.instances]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == NEWEST_FIRST[::-1]
