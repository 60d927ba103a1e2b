"""Errors of this room: what a write of one document can end with, and what a directory refuses.

StepwellError
├── RetryableIndexError     not written, may succeed later: overloaded, read-only, interrupted
├── RefusedByIndex          never will succeed as asked: wrong dimension, too large, invalid
├── UnknownDocument         the index holds none of this key (exit 3)
└── CollectionError
    ├── UnknownCollection       the index has none of this name (exit 3)
    ├── CollectionExists        the name is taken (exit 4)
    ├── CollectionInUse         searches go to it (exit 4)
    ├── CollectionBehind        it holds fewer documents than the one it should replace (exit 4)
    ├── ModelMissing            the model of a collection cannot be loaded here (exit 4)
    └── WrongModel              the model at hand is not the one its vectors were made with (exit 4)

Whole calls raise `IndexUnavailable` and `IndexSchemaMismatch` of `streams/errors.py`.
"""

from dataclasses import dataclass

from stepwell.streams.errors import StepwellError


@dataclass(eq=False)
class RetryableIndexError(StepwellError):
    """The document `key` was not written, and may be later."""

    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.key}: not written yet, try again later: {self.detail}"


@dataclass(eq=False)
class RefusedByIndex(StepwellError):
    """The request about `subject` can never succeed as it is."""

    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: refused: {self.detail}"


@dataclass(eq=False)
class UnknownDocument(StepwellError):
    """The index holds none of this key."""

    key: str
    exit_code = 3
    next_step = "stepwell search"

    def __str__(self) -> str:
        return f"the index holds no document {self.key!r}"


class CollectionError(StepwellError):
    """Base of what a directory refuses."""

    exit_code = 4


@dataclass(eq=False)
class UnknownCollection(CollectionError):
    """The index has none of this name."""

    name: str
    known: tuple[str, ...]
    exit_code = 3

    def __str__(self) -> str:
        known = ", ".join(self.known)
        return f"the index has no collection {self.name!r}, only {known}: stepwell index list"


@dataclass(eq=False)
class CollectionExists(CollectionError):
    """The name is taken."""

    name: str

    def __str__(self) -> str:
        return f"a collection {self.name!r} is there already: choose another name, or drop it first"


@dataclass(eq=False)
class CollectionInUse(CollectionError):
    """Searches go to it."""

    name: str

    def __str__(self) -> str:
        return f"searches go to {self.name!r}: stepwell index switch to another one first"


@dataclass(eq=False)
class CollectionBehind(CollectionError):
    """It holds fewer documents than the one it should replace."""

    name: str
    documents: int
    current: str
    current_documents: int

    def __str__(self) -> str:
        return (
            f"{self.name!r} holds {self.documents} documents, {self.current!r} "
            f"{self.current_documents}: re-index into it first, or switch with --incomplete"
        )


@dataclass(eq=False)
class ModelMissing(CollectionError):
    """The model of a collection cannot be loaded here."""

    model: str
    detail: str

    def __str__(self) -> str:
        return (
            f"model {self.model!r}, which a collection of the index needs, cannot be loaded here: "
            f"{self.detail}. Pull it with stepwell model pull, or drop the collection"
        )


@dataclass(eq=False)
class WrongModel(CollectionError):
    """The model at hand is not the one that the vectors of a collection were made with."""

    collection: str
    made_with: str
    at_hand: str

    def __str__(self) -> str:
        return (
            f"the vectors of collection {self.collection!r} were made with {self.made_with}, here "
            f"is {self.at_hand}: pull that model with stepwell model pull (and look at "
            "model.precision), or make a collection for this one with stepwell index create"
        )
