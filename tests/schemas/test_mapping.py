"""Events of any producer become documents by JSON pointers."""

from dataclasses import replace

import pytest

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.mapping import DocumentMapping
from stepwell.schemas.texts import BODY_BYTES_MAX

PRODUCT = DocumentMapping(
    type="product",
    events="com.example.product.*",
    removed="com.example.product.deleted",
    title="/data/name",
    body="/data/texts/0",
    url="/data/links/self~1html",
    state="/data/stock",
    repo="shop",
    labels="/data/tags",
)
EVENT = CloudEvent(
    id="e-1",
    source="/shop",
    type="com.example.product.changed",
    subject="lamp-9",
    data={
        "name": "Lamp",
        "texts": ["It shines."],
        "links": {"self/html": "https://example.com/lamp-9"},
        "stock": 3,
        "tags": ["light", "sale"],
    },
    time="2026-01-02T03:04:05Z",
)


def changed(**fields: object) -> CloudEvent:
    return replace(EVENT, data=EVENT.data | fields)


def refusal(event: CloudEvent, mapping: DocumentMapping = PRODUCT) -> str:
    with pytest.raises(EventRejected) as caught:
        mapping.document(event)
    assert caught.value.reason is RejectReason.SHAPE
    return caught.value.detail


def test_fields_are_read_by_pointers_or_taken_as_they_are_written():
    document = PRODUCT.document(EVENT)
    assert (document.key, document.type, document.repo) == ("product:lamp-9", "product", "shop")
    assert document.text() == "Lamp\n\nIt shines."
    assert document.url == "https://example.com/lamp-9"
    assert (document.state, document.labels) == ("3", ("light", "sale"))
    assert document.updated_at == "2026-01-02T03:04:05Z"


def test_an_id_and_a_time_may_lie_in_the_data():
    mapping = replace(PRODUCT, id="/data/sku", updated_at="/data/at")
    document = mapping.document(changed(sku=17, at="2026-02-01T00:00:00+01:00"))
    assert (document.key, document.updated_at) == ("product:17", "2026-02-01T00:00:00+01:00")


def test_a_removal_needs_no_text():
    gone = replace(EVENT, type="com.example.product.deleted", data=None)
    assert PRODUCT.is_removal(gone)
    assert not PRODUCT.is_removal(EVENT)
    assert PRODUCT.document(gone).key == "product:lamp-9"


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (
            changed(name=["Lamp"]),
            (
                "/data/name (content.documents.product.title): text expected, found list, "
                "in event 'com.example.product.changed' 'e-1'"
            ),
        ),
        (changed(texts=[]), "/data/texts/0 (content.documents.product.body): text expected"),
        (changed(name=True), "/data/name (content.documents.product.title): text expected"),
        (changed(tags="light"), "/data/tags (content.documents.product.labels): list of texts"),
        (changed(tags=[1]), "/data/tags (content.documents.product.labels): list of texts"),
        (replace(EVENT, time=None), "/time (content.documents.product.updated_at): RFC 3339"),
        (replace(EVENT, data=None), "/data/name (content.documents.product.title): text expected"),
        (replace(EVENT, data="Lamp"), "/data/name (content.documents.product.title)"),
    ],
    ids=["list", "missing", "bool", "text", "numbers", "no-time", "null", "no-object"],
)
def test_what_is_wrong_is_named_by_pointer_setting_and_event(event, detail):
    assert refusal(event).startswith(detail)


@pytest.mark.parametrize("place", ["/data/texts/1", "/data/texts/00000000009", "/data/texts/-"])
def test_a_place_beyond_the_end_of_a_list_holds_nothing(place):
    assert "found nothing" in refusal(EVENT, replace(PRODUCT, body=place))


@pytest.mark.parametrize("missing", [{"sku": ""}, {"sku": None}, {}])
def test_a_document_needs_an_id(missing):
    mapping = replace(PRODUCT, id="/data/sku")
    assert refusal(changed(**missing), mapping).startswith(
        "/data/sku (content.documents.product.id)"
    )


def test_what_may_be_missing_is_empty():
    document = PRODUCT.document(changed(texts=[None], links={}, stock=None, tags=None))
    assert (document.body, document.url, document.state, document.labels) == ("", "", "", ())


def test_texts_are_cleaned_and_cut():
    document = PRODUCT.document(changed(name="La\0mp", texts=["ü" * BODY_BYTES_MAX]))
    assert document.title == "Lamp"
    assert len(document.body.encode()) == BODY_BYTES_MAX
