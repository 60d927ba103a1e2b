"""The first pass of a semantic search: one bit per dimension of each vector, compared by XOR.

A float vector of 384 dimensions is 1536 bytes, its bits are 48: all of them are read and compared
in the time in which the vectors themselves could not be read. Who is near by bits is then compared
exactly, by vector (`search.py`).

A bit says on which side of the centre a vector lies. Vectors of many models share a direction that
would make most of their signs alike; so the centre is that of the first documents. As long as there
are few, every one of them passes, and the bits do not matter.

A code is `1 + dimension / 64` machine words: the first says whether a document is there, the others
hold the bits. Codes lie side by side in chunks, each where the id of its document says.
"""

from collections.abc import Sequence

import apsw
import numpy as np
import numpy.typing as npt

from stepwell.schemas.documents import Vector

Ids = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]

CENTRED_FROM = 1000
"""With so many documents the centre is settled, for good."""
CHUNK_CODES = 1024
_WORD_BITS = 64
_NOT_THERE = np.iinfo(np.int32).max


def put(connection: apsw.Connection, ids: Sequence[int], vectors: Vector) -> None:
    """The codes of vectors that have just been stored."""
    centre = _centre(connection)
    if centre is None and connection.execute("SELECT count(*) FROM vectors").get >= CENTRED_FROM:
        stored = dict(connection.execute("SELECT id, vector FROM vectors ORDER BY id"))
        ids = list(stored)
        vectors = np.frombuffer(b"".join(stored.values()), "<f4").reshape(len(ids), -1)
        centre = vectors.mean(axis=0)
        connection.execute("INSERT INTO facts VALUES ('centre', ?)", (centre.tobytes(),))
    _write(connection, ids, _encode(vectors, centre))


def erase(connection: apsw.Connection, ids: Sequence[int], dimension: int) -> None:
    """Nothing is there any more."""
    _write(connection, ids, np.zeros((len(ids), _width(dimension)), np.uint64))


def nearest(
    connection: apsw.Connection, vector: Vector, count: int, among: Ids | None = None
) -> Ids:
    """About the nearest `count` documents, in no order; of those in `among` if given."""
    code = _encode(vector.reshape(1, -1), _centre(connection))[0]
    distances = _distances(connection, code)
    if among is not None:
        others = np.ones(len(distances), np.bool_)
        others[among] = False
        distances[others] = _NOT_THERE
    if count < len(distances):
        ids = np.argpartition(distances, count)[:count]
    else:
        ids = np.arange(len(distances))
    near: Ids = ids[distances[ids] != _NOT_THERE]
    return near


def _centre(connection: apsw.Connection) -> Vector | None:
    blob = connection.execute("SELECT value FROM facts WHERE name = 'centre'").get
    return None if blob is None else np.frombuffer(blob, "<f4")


def _encode(vectors: Vector, centre: Vector | None) -> Codes:
    count, dimension = vectors.shape
    packed = np.zeros((count, _width(dimension) * 8), np.uint8)
    packed[:, 0] = 1
    bits = np.packbits(vectors > (0.0 if centre is None else centre), axis=1)
    packed[:, 8 : 8 + bits.shape[1]] = bits
    return packed.view(np.uint64)


def _width(dimension: int) -> int:
    """Machine words of a code."""
    return 1 - (-dimension // _WORD_BITS)


def _write(connection: apsw.Connection, ids: Sequence[int], codes: Codes) -> None:
    """Put each code where its id says; fast when the ids are in order."""
    code_bytes = codes.shape[1] * codes.itemsize
    blob: apsw.Blob | None = None
    chunk = -1
    for id_, code in zip(ids, codes, strict=True):
        if id_ // CHUNK_CODES != chunk:
            chunk = id_ // CHUNK_CODES
            connection.execute(
                "INSERT OR IGNORE INTO codes VALUES (?, zeroblob(?))",
                (chunk, CHUNK_CODES * code_bytes),
            )
            if blob is None:
                blob = connection.blob_open("main", "codes", "codes", chunk, True)
            else:
                blob.reopen(chunk)
        assert blob is not None
        blob.seek(id_ % CHUNK_CODES * code_bytes)
        blob.write(code.tobytes())
    if blob is not None:
        blob.close()


def _distances(connection: apsw.Connection, code: Codes) -> npt.NDArray[np.int32]:
    """By id. Ids are given without gaps, so there are none between the chunks."""
    found = [np.empty(0, np.int32)]
    for (blob,) in connection.execute("SELECT codes FROM codes ORDER BY chunk"):
        chunk = np.frombuffer(blob, np.uint64).reshape(CHUNK_CODES, len(code))
        differing = np.bitwise_count(chunk ^ code)
        distances = differing[:, 1].astype(np.int32)
        for column in range(2, len(code)):  # faster than `sum`: the rows are short
            distances += differing[:, column]
        distances[differing[:, 0] != 0] = _NOT_THERE
        found.append(distances)
    return np.concatenate(found)
