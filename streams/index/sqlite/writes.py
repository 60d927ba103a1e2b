"""One transaction's worth of writes: look at what is known, decide, write what counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import apsw
import numpy as np
import orjson

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.index.keywords import document_words
from stepwell.streams.index.rules import STALE, STORED, Known, W, Write, instant, key_of
from stepwell.streams.index.sqlite import codes
from stepwell.streams.index.sqlite.file import transaction
from stepwell.streams.ports import WriteOutcome

_PUT_DOCUMENT = """
INSERT INTO documents(key, type, repo, number, title, body, state, url, updated_at, labels, model)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE SET type = excluded.type, repo = excluded.repo,
    number = excluded.number, title = excluded.title, body = excluded.body,
    state = excluded.state, url = excluded.url, updated_at = excluded.updated_at,
    labels = excluded.labels, model = excluded.model
RETURNING id
"""
_LOOK = """
SELECT wanted.value, documents.id, documents.updated_at, removals.updated_at
FROM carray(?) AS wanted
LEFT JOIN documents ON documents.key = wanted.value
LEFT JOIN removals ON removals.key = wanted.value
"""

MERGED_PAGES = 500
"""Of words at a time: between two steps others may write."""


@dataclass(slots=True)
class _Look:
    """What the file knows about the keys of a call."""

    known: dict[str, Known] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)


def store(objects: list[Embedded], connection: apsw.Connection) -> list[WriteOutcome]:
    """Store each that counts."""
    with transaction(connection):
        found = _look(connection, objects)
        outcomes, last = _decide(objects, found.known)
        _put(connection, list(last.values()), found.ids)
    return outcomes


def remove(
    removals: list[Removal], connection: apsw.Connection, *, dimension: int
) -> list[WriteOutcome]:
    """Remove each that counts, and remember it."""
    with transaction(connection):
        found = _look(connection, removals)
        outcomes, last = _decide(removals, found.known)
        gone = [found.ids[key] for key in last if key in found.ids]
        for table, id_ in (("documents", "id"), ("vectors", "id"), ("words", "rowid")):
            statement = f"DELETE FROM {table} WHERE {id_} = ?"  # noqa: S608 - names of ours
            connection.executemany(statement, ((one,) for one in gone))
        _forget_labels(connection, gone)
        codes.erase(connection, sorted(gone), dimension)
        connection.executemany(
            "INSERT OR REPLACE INTO removals VALUES (?, ?)",
            ((removal.key, removal.updated_at) for removal in last.values()),
        )
    return outcomes


def merge_words(connection: apsw.Connection, *, begin: bool) -> bool:
    """One step of writing all words anew, without those of removed documents; False at the end."""
    before = connection.total_changes()
    pages = -MERGED_PAGES if begin else MERGED_PAGES
    connection.execute("INSERT INTO words(words, rank) VALUES ('merge', ?)", (pages,))
    return begin or connection.total_changes() - before > 1


def empty_log(connection: apsw.Connection) -> bool:
    """Fold SQLite's log into the file and cut it to nothing; False while somebody reads from it."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
    return not busy


def _look(connection: apsw.Connection, writes: Sequence[Write]) -> _Look:
    keys = tuple({key_of(write): None for write in writes})
    look = _Look()
    for key, id_, stored, removed in connection.execute(_LOOK, (apsw.carray(keys),)):
        look.known[key] = Known(
            instant(stored) if stored is not None else None,
            instant(removed) if removed is not None else None,
        )
        if id_ is not None:
            look.ids[key] = id_
    return look


def _decide(writes: list[W], known: dict[str, Known]) -> tuple[list[WriteOutcome], dict[str, W]]:
    """What becomes of each, and the one that is left of each key."""
    outcomes: list[WriteOutcome] = []
    last: dict[str, W] = {}
    for write in writes:
        key = key_of(write)
        if known[key].admits(write):
            known[key] = known[key].after(write)
            last[key] = write
            outcomes.append(STORED)
        else:
            outcomes.append(STALE)
    return outcomes, last


def _put(connection: apsw.Connection, objects: list[Embedded], known: dict[str, int]) -> None:
    if not objects:
        return
    rows = connection.executemany(_PUT_DOCUMENT, (_row(embedded) for embedded in objects))
    ids = [id_ for (id_,) in rows]
    vectors = np.stack([embedded.vector for embedded in objects]).astype("<f4")
    connection.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
        zip(ids, (vector.tobytes() for vector in vectors), strict=True),
    )
    codes.put(connection, ids, vectors)
    texts = (" ".join(document_words(embedded.document)) for embedded in objects)
    connection.executemany(
        "INSERT OR REPLACE INTO words(rowid, text) VALUES (?, ?)", zip(ids, texts, strict=True)
    )
    replaced = set(known.values())
    _forget_labels(connection, (id_ for id_ in ids if id_ in replaced))
    connection.executemany(
        "INSERT OR IGNORE INTO labels VALUES (?, ?)",
        (
            (id_, label)
            for id_, embedded in zip(ids, objects, strict=True)
            for label in embedded.document.labels
        ),
    )


def _forget_labels(connection: apsw.Connection, ids: Iterable[int]) -> None:
    connection.executemany("DELETE FROM labels WHERE id = ?", ((id_,) for id_ in ids))


def _row(embedded: Embedded) -> tuple[str | int, ...]:
    document = embedded.document
    return (
        document.key,
        document.type,
        document.repo,
        document.number,
        document.title,
        document.body,
        document.state,
        document.url,
        document.updated_at,
        orjson.dumps(document.labels).decode(),
        embedded.model,
    )
