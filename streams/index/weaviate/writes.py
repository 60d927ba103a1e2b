"""One call's worth of writes: look at what is known, then write what nothing newer stands against.

The server (1.35.2) is not safe against being killed, or cut off at a deadline, within a batch. What
was cut off is written again by whoever retries; `store` sees to it that this heals everything:

- It skips every index for an object that it has already as it is, even when that object was never
  indexed: it would never be found. So each write carries two random numbers and is a change.
- It takes an object's old vector out of the graph only after the new object is stored; cut off in
  between, the graph leads to nothing and may lose its entry. So what is replaced is deleted first:
  for some milliseconds it is in no result, and until the retry if the call is cut off just there.
- It writes the graph's log out before a batch has gone through the graph, so that a crash after its
  answer forgets the batch. A further write, here of an object as it is, makes up for that.
- A filter does not see an object that was never indexed. So `remove` deletes by id.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from weaviate.classes.query import Filter
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.index.rules import STALE, STORED, Known, W, Write, instant, key_of
from stepwell.streams.index.weaviate.answers import all_failed, outcomes
from stepwell.streams.index.weaviate.records import (
    Object,
    document_id,
    document_object,
    removal_object,
)
from stepwell.streams.index.weaviate.schema import Collection
from stepwell.streams.index.weaviate.session import Session
from stepwell.streams.ports import WriteOutcome

DELETIONS_AT_ONCE = 32


async def store(session: Session, objects: list[Embedded]) -> list[WriteOutcome]:
    """Store each that counts; no key may occur twice."""
    known = await _look(session, objects)
    fresh = _admitted(objects, known)
    replaced = [document_id(one.document.key) for at, one in fresh.items() if known[at].stored]
    if replaced:
        await session.documents.data.delete_many(where=Filter.by_id().contains_any(replaced))
    made = [document_object(one) for one in fresh.values()]
    written = await _insert(session.documents, made)
    stored = [one for one, outcome in zip(made, written, strict=True) if outcome == STORED]
    if stored:
        (flushed,) = await _insert(session.documents, stored[-1:])
        written = [flushed if outcome == STORED else outcome for outcome in written]
    return _merged(len(objects), fresh, written)


async def remove(session: Session, removals: list[Removal]) -> list[WriteOutcome]:
    """Remove each that counts; no key may occur twice.

    The removal is remembered first: after a crash between the two the caller removes again.
    """
    fresh = _admitted(removals, await _look(session, removals))
    results = await _insert(session.removals, [removal_object(one) for one in fresh.values()])
    ids = [document_id(removal.key) for removal in fresh.values()]
    done = [at for at, outcome in enumerate(results) if outcome == STORED]
    for start in range(0, len(done), DELETIONS_AT_ONCE):
        batch = done[start : start + DELETIONS_AT_ONCE]
        deleted = await asyncio.gather(*(_delete(session.documents, ids[at]) for at in batch))
        for at, outcome in zip(batch, deleted, strict=True):
            results[at] = outcome
    return _merged(len(removals), fresh, results)


def _admitted(writes: Sequence[W], known: list[Known]) -> dict[int, W]:
    return {at: write for at, write in enumerate(writes) if known[at].admits(write)}


def _merged(
    count: int, fresh: Iterable[int], written: Sequence[WriteOutcome]
) -> list[WriteOutcome]:
    results = dict(zip(fresh, written, strict=True))
    return [results.get(position, STALE) for position in range(count)]


async def _look(session: Session, writes: Sequence[Write]) -> list[Known]:
    ids = [document_id(key_of(write)) for write in writes]
    stored, removed = await asyncio.gather(
        _versions(session.documents, ids), _versions(session.removals, ids)
    )
    return [Known(stored.get(id_), removed.get(id_)) for id_ in ids]


async def _versions(collection: Collection, ids: list[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    found = await collection.query.fetch_objects_by_ids(
        ids, limit=len(ids), return_properties=["updated_at"]
    )
    return {one.uuid: instant(str(one.properties["updated_at"])) for one in found.objects}


async def _delete(collection: Collection, id_: uuid.UUID) -> WriteOutcome:
    """STORED when it is gone, or was never there."""
    try:
        await collection.data.delete_by_id(id_)
    except UnexpectedStatusCodeError as error:
        return outcomes(1, {0: error.message}, _named(collection))[0]
    return STORED


async def _insert(collection: Collection, objects: list[Object]) -> list[WriteOutcome]:
    if not objects:
        return []
    try:
        answer = await collection.data.insert_many(objects)
    except WeaviateInsertManyAllFailedError as error:
        return all_failed(len(objects), error.message, _named(collection))
    errors = {position: error.message for position, error in answer.errors.items()}
    return outcomes(len(objects), errors, _named(collection))


def _named(collection: Collection) -> str:
    return f"Weaviate collection {collection.name}"
