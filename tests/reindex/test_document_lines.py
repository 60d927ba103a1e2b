"""What a line may say, what it means, and what is wrong with one that means nothing."""

from typing import Any

import orjson
import pytest

from stepwell.schemas.documents import Document
from stepwell.streams.workflows.document_lines import BadLine, document_of_line

AS_OF = "2026-11-01T00:00:00Z"


def read(**fields: Any) -> Document:
    found = document_of_line(orjson.dumps(fields), AS_OF)
    assert found is not None
    return found


def test_a_line_may_say_everything():
    assert read(
        id="a",
        type="page",
        repo="acme/site",
        number=7,
        title="T",
        body="B",
        state="open",
        url="https://example.com",
        updated_at="2026-01-01T00:00:00Z",
        labels=["x"],
        path="ignored",
    ) == Document(
        "a",
        "page",
        "acme/site",
        7,
        "T",
        "B",
        "open",
        "https://example.com",
        "2026-01-01T00:00:00Z",
        ("x",),
    )


def test_a_line_may_say_little():
    found = read(id=42, title="T", body=None, labels=None, number=None)
    assert found == Document("42", "document", "", 0, "T", "", "", "", AS_OF)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"type": "issue", "repo": "acme/site", "number": 7}, "github:acme/site#7"),
        ({"type": "milestone", "repo": "acme/site", "number": 7}, "github:acme/site/milestone/7"),
        ({"type": "doc", "repo": "python/docs", "number": 7}, "doc:python/docs#7"),
        ({"type": "issue", "repo": "not a repo", "number": 7}, "issue:not a repo#7"),
        ({"url": "https://example.com/a"}, "https://example.com/a"),
    ],
)
def test_a_document_without_an_id_is_named_by_what_it_has(fields: dict[str, Any], key: str):
    assert read(title="T", **fields).key == key


def test_blank_lines_and_a_byte_order_mark_mean_nothing():
    assert document_of_line(b" \r", AS_OF) is None
    assert document_of_line(b"\xef\xbb\xbf", AS_OF) is None
    assert document_of_line(b'\xef\xbb\xbf{"id": "a", "title": "T"}\r', AS_OF) is not None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'"text"', "should be an object, not str"),
        (b'{"title": "\xff"}', "not JSON"),
        (b'{"title": "\\ud800"}', "not JSON"),
        (b'{"title": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"id": "a"}', "has neither title nor body"),
        (b'{"title": "T"}', "nothing names the document"),
        (b'{"title": "T", "repo": "acme/site"}', "nothing names the document"),
        (b'{"title": "T", "id": true}', "id should be text, not bool"),
        (b'{"title": ["T"], "id": "a"}', "title should be text, not list"),
        (b'{"title": "T", "id": "a", "number": "7"}', "number should be a whole number"),
        (b'{"title": "T", "id": "a", "number": -1}', "number should be a whole number"),
        (b'{"title": "T", "id": "a", "labels": [1]}', "labels should be a list of texts"),
        (b'{"title": "T", "id": "a", "updated_at": "yesterday"}', "no RFC 3339 time"),
    ],
)
def test_a_line_that_is_no_document_says_why(line: bytes, reason: str):
    with pytest.raises(BadLine, match=reason):
        document_of_line(line, AS_OF)
