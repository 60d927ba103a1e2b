"""Our records as Weaviate objects, and back."""

import uuid
from collections.abc import Mapping
from random import random
from typing import Any

import numpy as np
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import FilterReturn

from stepwell.schemas.documents import Document, Embedded, Hit, Removal, SearchFilters
from stepwell.streams.index.keywords import document_words
from stepwell.streams.index.rules import version_of
from stepwell.streams.index.weaviate.schema import DOCUMENT_FIELDS, NONCE, VECTOR

HIT_FIELDS = [field.name for field in DOCUMENT_FIELDS if not field.searched]
"""What a hit is made of: the words it was found by need not come back."""

Object = DataObject[dict[str, object], None]

_IDS = uuid.UUID("5f0a2c1e-7d5b-4c0e-9f0e-6a1f0f0c7e11")


def document_id(key: str) -> uuid.UUID:
    """The id of a document and of the memory of its removal: the same for the same key, always."""
    return uuid.uuid5(_IDS, f"document\x1f{key}")


def document_object(embedded: Embedded) -> Object:
    """A document with its vector; no two are equal, even of the same document."""
    document = embedded.document
    properties: dict[str, object] = {
        "key": document.key,
        "type": document.type,
        "repo": document.repo,
        "number": document.number,
        "title": document.title,
        "body": document.body,
        "state": document.state,
        "url": document.url,
        "labels": list(document.labels),
        "updated_at": document.updated_at,
        "updated_at_ms": int(version_of(embedded).timestamp() * 1000),
        "model": embedded.model,
        "words": " ".join(document_words(document)),
    }
    nonce = [random(), random()]  # noqa: S311 - no secret
    vectors = {VECTOR: embedded.vector.tolist(), NONCE: nonce}
    return DataObject(properties, document_id(document.key), vectors)


def removal_object(removal: Removal) -> Object:
    """The memory of a removal."""
    return DataObject(
        {"key": removal.key, "updated_at": removal.updated_at}, document_id(removal.key)
    )


def conditions(filters: SearchFilters) -> FilterReturn | None:
    """The filters in Weaviate's words."""
    wanted = {"type": filters.type, "repo": filters.repo, "state": filters.state}
    conditions = [
        Filter.by_property(name).equal(value) for name, value in wanted.items() if value is not None
    ]
    if filters.labels:
        conditions.append(Filter.by_property("labels").contains_any(list(filters.labels)))
    return Filter.all_of(conditions) if conditions else None


def embedded_of(properties: Mapping[str, Any], vectors: Mapping[str, Any]) -> Embedded:
    """An object that was asked for with its vector."""
    hit = hit_of(properties, 0.0)
    return Embedded(hit.document, np.array(vectors[VECTOR], np.float32), hit.model)


def hit_of(properties: Mapping[str, Any], score: float) -> Hit:
    """A found object."""
    document = Document(
        key=properties["key"],
        type=properties["type"],
        repo=properties["repo"],
        number=properties["number"],
        title=properties["title"],
        body=properties["body"],
        state=properties["state"],
        url=properties["url"],
        updated_at=properties["updated_at"],
        labels=tuple(properties["labels"] or ()),
    )
    return Hit(document, score, properties["model"])
