"""Searches: by meaning in two passes, by words through FTS5."""

import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

import apsw
import numpy as np
import orjson

from stepwell.schemas.documents import Document, Embedded, Hit, SearchFilters, Vector
from stepwell.streams.index.keywords import K1, query_words, rarity
from stepwell.streams.index.sqlite import codes
from stepwell.streams.index.sqlite.file import snapshot
from stepwell.streams.ports import Scan, Stored

CANDIDATES_MIN = 1000
CANDIDATES_PER_HIT = 20
"""How many of the first pass are compared exactly. The nearest ten of 50,000 sentences are among
the nearest 200 by bits in 99.4 cases of 100, and among the nearest 1000 in 99.97."""
EXACT_MAX = 4000
"""So few documents that pass the filters are all compared exactly."""
FTS5_RARITY_MIN = 1e-6
"""What FTS5 takes for the rarity of a word that more than half of the documents hold."""

_NEAREST = """
SELECT id, 1 - vec_distance_cosine(vector, ?) AS score FROM carray(?) JOIN vectors ON id = value
ORDER BY score DESC, id LIMIT ?
"""
_MATCHES = "SELECT rowid AS id, rank * ? AS score FROM words WHERE words MATCH ?"
_HITS = """
SELECT key, type, repo, number, title, body, state, url, updated_at, labels, model
FROM carray(?) JOIN documents ON id = value
"""
_FIND = """
SELECT key, type, repo, number, title, body, state, url, updated_at, labels, model, vector
FROM documents JOIN vectors USING (id) WHERE key = ?
"""
_SCAN = "SELECT key, type, repo, updated_at FROM documents WHERE key > ? ORDER BY key LIMIT ?"


def by_vector(
    connection: apsw.Connection, vector: Vector, limit: int, filters: SearchFilters
) -> list[Hit]:
    """The nearest documents by cosine similarity."""
    wanted = np.ascontiguousarray(vector, "<f4")
    with snapshot(connection):
        ids = _passing(connection, filters)
        if ids is None or len(ids) > EXACT_MAX:
            candidates = max(CANDIDATES_MIN, CANDIDATES_PER_HIT * limit)
            ids = codes.nearest(connection, wanted, candidates, ids)
        if not len(ids):
            return []
        best = connection.execute(_NEAREST, (wanted.tobytes(), apsw.carray(ids), limit))
        return _hits(connection, best)


def by_words(
    connection: apsw.Connection, text: str, limit: int, filters: SearchFilters
) -> list[Hit]:
    """The best matches by BM25.

    FTS5's own sum takes common words for worthless, so it is asked word by word, and each answer is
    weighed as `keywords.py` says. A word is quoted: nothing in it is query syntax.
    """
    with snapshot(connection):
        total = count(connection)
        bindings: list[float | str] = []
        for word in query_words(text):
            if holding := _holding(connection, word):
                bindings += _factor(total, holding), f'"{word}"'
        if not bindings:
            return []
        matches = " UNION ALL ".join([_MATCHES] * (len(bindings) // 2))
        statement = f"SELECT id, sum(score) FROM ({matches}) GROUP BY id"  # noqa: S608 - ours
        rows = connection.execute(statement, bindings)
        found = np.fromiter(rows, [("id", np.int64), ("score", np.float64)])
        if (passing := _passing(connection, filters)) is not None:
            found = found[np.isin(found["id"], passing)]
        best = found[np.lexsort((found["id"], -found["score"]))[:limit]]
        return _hits(connection, best.tolist())


def find(connection: apsw.Connection, key: str) -> Embedded | None:
    """The document of this key."""
    row = connection.execute(_FIND, (key,)).fetchone()
    if row is None:
        return None
    *fields, vector = row
    hit = _hit(tuple(fields), 0.0)
    return Embedded(hit.document, np.frombuffer(vector, "<f4").astype(np.float32), hit.model)


def count(connection: apsw.Connection) -> int:
    """How many documents are stored."""
    number: int = connection.execute("SELECT count(*) FROM documents").get
    return number


def scan(connection: apsw.Connection, after: str | None, limit: int) -> Scan:
    """The next documents by key."""
    rows = connection.execute(_SCAN, (after or "", limit))
    found = tuple(Stored(*row) for row in rows)
    return Scan(found, found[-1].key if len(found) == limit else None)


def _factor(documents: int, holding: int) -> float:
    """From what FTS5's rank says of one word to what we say."""
    odds = (documents - holding + 0.5) / (holding + 0.5)
    theirs = math.log(odds) if odds > 1 else FTS5_RARITY_MIN
    return -rarity(documents, holding) / (theirs * (K1 + 1))


def _holding(connection: apsw.Connection, word: str) -> int:
    statement = "SELECT count(*) FROM words WHERE words MATCH ?"
    number: int = connection.execute(statement, (f'"{word}"',)).get
    return number


def _passing(connection: apsw.Connection, filters: SearchFilters) -> codes.Ids | None:
    """The ids of the documents that pass, in order; None for all."""
    wanted = {"type": filters.type, "repo": filters.repo, "state": filters.state}
    facets = {f"{name} = ?": value for name, value in wanted.items() if value is not None}
    found = []
    if facets:
        statement = f"SELECT json_group_array(id) FROM documents WHERE {' AND '.join(facets)}"  # noqa: S608 - ours
        found.append(connection.execute(statement, tuple(facets.values())).get)
    if filters.labels:
        statement = (
            "SELECT json_group_array(DISTINCT id) FROM labels JOIN carray(?) ON label = value"
        )
        found.append(connection.execute(statement, (apsw.carray(filters.labels),)).get)
    sets = [np.array(orjson.loads(ids), np.int64) for ids in found]  # half the time of fetching
    return reduce(np.intersect1d, sets) if len(sets) > 1 else next(iter(sets), None)


def _hits(connection: apsw.Connection, best: Iterable[tuple[Any, ...]]) -> list[Hit]:
    scores = dict(best)
    if not scores:
        return []
    rows = connection.execute(_HITS, (apsw.carray(np.fromiter(scores, np.int64)),))
    hits = [_hit(row, score) for row, score in zip(rows, scores.values(), strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.document.key))


def _hit(row: tuple[Any, ...], score: float) -> Hit:
    key, type_, repo, number, title, body, state, url, updated_at, labels, model = row
    document = Document(
        key=key,
        type=type_,
        repo=repo,
        number=number,
        title=title,
        body=body,
        state=state,
        url=url,
        updated_at=updated_at,
        labels=tuple(orjson.loads(labels)),
    )
    return Hit(document, score, model)
