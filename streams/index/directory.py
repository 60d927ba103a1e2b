"""The directory of an index: which collections it has, the model of each, and which is current.

Searches go to the current collection, writes to all: so a collection for another model is filled
while the old one answers, and changing over is one write of this record. Pure.
"""

from dataclasses import asdict, dataclass, replace
from typing import Protocol

import orjson

from stepwell.streams.errors import IndexSchemaMismatch
from stepwell.streams.index.errors import CollectionExists, CollectionInUse, UnknownCollection

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Collection:
    """The vectors of one model."""

    name: str
    model: str
    """As it is asked for: `all-MiniLM-L6-v2`."""
    model_id: str
    """As vectors are labelled: the model and its revision."""
    dimension: int


@dataclass(frozen=True, slots=True)
class Directory:
    """All collections; the current one first."""

    collections: tuple[Collection, ...]

    @property
    def current(self) -> Collection:
        """The one that searches go to."""
        return self.collections[0]

    def find(self, name: str | None = None) -> Collection:
        """The collection of this name, or the current one; raises `UnknownCollection`."""
        for collection in self.collections:
            if name in (None, collection.name):
                return collection
        assert name is not None
        raise UnknownCollection(name, tuple(one.name for one in self.collections))

    def including(self, added: Collection) -> "Directory":
        """With one more, which is not current; raises `CollectionExists`."""
        # Stores may put them in files, and not every file system tells capitals apart.
        if added.name.casefold() in {one.name.casefold() for one in self.collections}:
            raise CollectionExists(added.name)
        return Directory((*self.collections, added))

    def switched(self, name: str) -> "Directory":
        """With this one current; raises `UnknownCollection`."""
        chosen = self.find(name)
        return Directory((chosen, *(one for one in self.collections if one != chosen)))

    def without(self, name: str) -> "Directory":
        """With one less; raises `UnknownCollection`, `CollectionInUse` for the current one."""
        gone = self.find(name)
        if gone == self.current:
            raise CollectionInUse(name)
        return replace(self, collections=tuple(one for one in self.collections if one != gone))

    def encode(self) -> str:
        """As it is stored."""
        document = {"format": FORMAT, "collections": [asdict(one) for one in self.collections]}
        return orjson.dumps(document).decode()


def decode(text: str) -> Directory:
    """What was stored; raises `IndexSchemaMismatch` for what another release wrote."""
    try:
        document = orjson.loads(text)
        if document["format"] != FORMAT:
            raise IndexSchemaMismatch(
                f"the directory of the index has format {document['format']}, this release reads "
                f"{FORMAT}: use the release that wrote it"
            )
        return Directory(tuple(Collection(**one) for one in document["collections"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IndexSchemaMismatch(f"the directory of the index is damaged: {error}") from error


class DirectoryStore(Protocol):
    """Where the directory is kept: beside the collections. Raises `IndexUnavailable`."""

    async def read(self) -> Directory | None:
        """As it is now; None when nothing was ever stored."""
        ...

    async def replace(self, old: Directory | None, new: Directory) -> bool:
        """Store `new` at once, if `old` is what is there; whether it was."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...


class MemoryDirectory:
    """A `DirectoryStore` that ends with the process."""

    def __init__(self) -> None:
        self._stored: Directory | None = None

    async def read(self) -> Directory | None:
        """As it is now."""
        return self._stored

    async def replace(self, old: Directory | None, new: Directory) -> bool:
        """Store it, if `old` is there."""
        if self._stored != old:
            return False
        self._stored = new
        return True

    async def close(self) -> None:
        """Nothing to release."""
