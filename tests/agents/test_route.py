"""Events become instances, or are set aside with a reason; a redelivery makes the same again."""

import orjson
import pytest

from stepwell.schemas import codec
from stepwell.schemas.commands import EventReceived
from stepwell.schemas.dead_letters import Failure
from stepwell.schemas.journal import InstanceCreated
from stepwell.schemas.parts import Lane
from stepwell.streams import Workflow, Workflows, on_event
from stepwell.streams.agents.records import RawRecord
from stepwell.streams.agents.route import Router
from stepwell.streams.engine.triggers import send_on
from stepwell.streams.metrics import Metrics
from stepwell.streams.spans import Headers

DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


class Order(Workflow, name="order"):
    triggers = (on_event("shop.order.*", filter=lambda event: event.data["total"] > 0),)

    async def run(self, event, step): ...


class Audit(Workflow, name="audit"):
    triggers = (
        on_event(
            "shop.*",
            instance_id=lambda event: event.data["number"],
            params=lambda event: {"number": event.data["number"]},
        ),
    )

    async def run(self, event, step): ...


class Payment(Workflow, name="payment"):
    triggers = (
        on_event("shop.order.*", instance_id=lambda event: event.data["number"], lane=Lane.BULK),
        send_on(
            "shop.order.paid",
            instance_id=lambda event: event.data["number"],
            filter=lambda event: event.data["total"] > 0,
            type="paid",
            payload=lambda event: event.data["total"],
        ),
        send_on("shop.order.sent", instance_id=lambda event: event.data["number"]),
    )

    async def run(self, event, step): ...


class Latest(Workflow, name="latest"):
    triggers = (on_event("shop.*", debounce="2 seconds"),)

    async def run(self, event, step): ...


class Desk:
    """A router with the instances and dead letters that it makes."""

    def __init__(self, *workflows: type[Workflow]) -> None:
        self.created: dict[str, InstanceCreated] = {}
        self.sent: dict[str, EventReceived] = {}
        self.raw: list[tuple[bytes, bytes]] = []
        self.rejected: list[Failure] = []
        self.metrics = Metrics("test")
        self.router = Router(
            Workflows((workflow, None) for workflow in workflows),
            self.append,
            lambda _record, failure: self.rejected.append(failure),
            self.metrics,
            lambda: 1_000,
        )

    def append(self, key: bytes, value: bytes, headers: Headers = ()) -> None:
        record = codec.decode(value)
        if isinstance(record, InstanceCreated):
            self.created[key.decode()] = record
        else:
            assert isinstance(record, EventReceived)
            self.sent[key.decode()] = record
        self.raw.append((key, value))

    def take(self, value: bytes | None, key: bytes | None = b"order-1", **headers: str) -> "Desk":
        pairs = tuple((name, text.encode()) for name, text in headers.items())
        self.router.handle(RawRecord("stepwell.events", 3, 42, 1_000, key, value, pairs))
        return self

    def event(self, data: object, type_: str = "shop.order.placed", id_: str = DELIVERY) -> "Desk":
        return self.take(
            orjson.dumps(data),
            ce_specversion="1.0",
            ce_id=id_,
            ce_source="https://shop.example",
            ce_type=type_,
            content_type="application/json",
        )


def test_an_event_creates_an_instance_under_its_delivery_id() -> None:
    desk = Desk(Order).event({"total": 5})
    created = desk.created[f"order/{DELIVERY}"]
    assert created.params == {"total": 5}
    assert created.origin is not None
    assert (created.origin.partition, created.origin.offset) == (3, 42)
    assert (created.origin.event_type, created.origin.subject) == ("shop.order.placed", "order-1")


def test_a_redelivered_event_makes_the_same_record_again() -> None:
    desk = Desk(Order).event({"total": 5}).event({"total": 5})
    assert desk.raw[0] == desk.raw[1]


def test_an_id_that_is_no_uuid_is_combined_with_its_source() -> None:
    desk = Desk(Order).event({"total": 5}, id_="order 7/ü")
    (key,) = desk.created
    assert desk.event({"total": 5}, id_="order 7/ü").created.keys() == {key}


def test_an_event_may_start_several_workflows_each_with_its_own_id_and_params() -> None:
    desk = Desk(Order, Audit).event({"total": 5, "number": "n-7"})
    assert set(desk.created) == {f"order/{DELIVERY}", "audit/n-7"}
    assert desk.created["audit/n-7"].params == {"number": "n-7"}


@pytest.mark.parametrize("data", [{"total": 0}, {"total": -1}])
def test_an_event_that_the_filter_leaves_out_starts_nothing(data: object) -> None:
    desk = Desk(Order).event(data)
    assert (desk.created, desk.rejected) == ({}, [])


def test_an_event_is_sent_to_the_instance_that_waits_for_it() -> None:
    desk = Desk(Payment).event({"number": "n-7", "total": 5}, "shop.order.paid")
    sent = desk.sent["payment/n-7"]
    assert (sent.type, sent.payload, sent.event_id, sent.at_ms) == ("paid", 5, DELIVERY, 1_000)


def test_an_instance_is_created_before_it_is_sent_the_same_event() -> None:
    desk = Desk(Payment).event({"number": "n-7", "total": 5}, "shop.order.paid")
    kinds = [type(codec.decode(value)) for _, value in desk.raw]
    assert kinds == [InstanceCreated, EventReceived]
    assert desk.created["payment/n-7"].lane == "bulk"


def test_a_redelivered_event_is_sent_under_the_same_id() -> None:
    desk = Desk(Payment)
    for _ in range(2):
        desk.event({"number": "n-7", "total": 5}, "shop.order.paid", id_="order 7")
    assert desk.raw[:2] == desk.raw[2:]


def test_an_event_is_sent_under_its_own_type_unless_told_otherwise() -> None:
    desk = Desk(Payment).event({"number": "n-7", "total": 5}, "shop.order.sent")
    sent = desk.sent["payment/n-7"]
    assert (sent.type, sent.payload) == ("shop.order.sent", {"number": "n-7", "total": 5})


def test_an_event_that_the_filter_leaves_out_is_not_sent() -> None:
    assert Desk(Payment).event({"number": "n-7", "total": 0}, "shop.order.paid").sent == {}


def test_a_debounced_trigger_has_one_instance_for_each_subject() -> None:
    desk = Desk(Latest)
    for id_ in ("a", "b"):
        desk.event({"n": id_}, id_=id_)
    (created,) = desk.created.values()
    assert (created.debounce_ms, created.params) == (2_000, {"n": "b"})


def test_an_event_of_another_type_starts_nothing() -> None:
    desk = Desk(Order).event({}, type_="com.github.issue_comment.created")
    assert (desk.created, desk.rejected) == ({}, [])


def test_an_event_without_a_key_is_about_itself() -> None:
    desk = Desk(Order)
    structured = {
        "specversion": "1.0",
        "id": DELIVERY,
        "source": "https://shop.example",
        "type": "shop.order.placed",
        "data": {"total": 1},
    }
    desk.take(orjson.dumps(structured), key=None)
    created = desk.created[f"order/{DELIVERY}"]
    assert created.origin is not None
    assert created.origin.subject == DELIVERY


@pytest.mark.parametrize(
    ("workflow", "data", "exception"),
    [
        (Order, {"no": "total"}, "KeyError"),
        (Audit, {"number": "has a space"}, "InvalidDefinition"),
        (Audit, {"number": 7}, "InvalidDefinition"),
    ],
)
def test_an_event_that_a_trigger_cannot_take_is_set_aside(
    workflow: type[Workflow], data: object, exception: str
) -> None:
    (failure,) = Desk(workflow).event(data).rejected
    assert (failure.stage, failure.reason) == ("route", "trigger")
    assert (failure.workflow, failure.exception) == (workflow.name, exception)


def test_parameters_above_the_limit_are_set_aside_naming_both() -> None:
    (failure,) = Desk(Order).event({"total": 1, "text": "x" * 1_100_000}).rejected
    assert (failure.reason, failure.workflow) == ("size", "order")
    assert "1048576" in failure.message


def test_an_event_whose_instance_cannot_be_told_is_set_aside() -> None:
    (failure,) = Desk(Payment).event({"total": 1}, "shop.order.sent").rejected
    assert (failure.reason, failure.exception) == ("trigger", "KeyError")
