"""`EveryCollection`: writes that reach each collection of the directory, by its own model.

What is written while a collection is being filled is therefore in it when searches change over to
it, and still in the old one, should they change back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from stepwell.schemas.documents import Embedded, Removal
from stepwell.streams.errors import StepwellError
from stepwell.streams.index.directory import Collection
from stepwell.streams.index.targets import Target, Targets
from stepwell.streams.ports import Scan, Stored, WriteOutcome, WriteStatus

_GRAVITY = (WriteStatus.RETRY, WriteStatus.REFUSED)


class EveryCollection:
    """Takes the writes of a `VectorIndex`; reads the directory before each call."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    async def upsert(self, objects: Sequence[Embedded]) -> list[WriteOutcome]:
        """Store each everywhere; a vector of another model is made anew from the text."""

        async def store(collection: Collection) -> list[WriteOutcome]:
            target = await self._targets.target(collection)
            made = await asyncio.gather(
                *(_translated(one, target) for one in objects), return_exceptions=True
            )
            ready = [one for one in made if isinstance(one, Embedded)]
            stored = iter(await target.index.upsert(ready))
            return [next(stored) if isinstance(one, Embedded) else _unmade(one) for one in made]

        return await self._write(store)

    async def remove(self, removals: Sequence[Removal]) -> list[WriteOutcome]:
        """Remove each everywhere."""
        return await self._write(
            lambda collection: self._targets.index(collection).remove(removals)
        )

    async def stored_under(self, prefix: str) -> list[Stored]:
        """What is stored anywhere under keys that begin so. Looks at every key: for rare uses."""
        found: dict[str, Stored] = {}
        for collection in (await self._targets.directory()).collections:
            page = Scan((), "")
            while page.next is not None:
                page = await self._targets.index(collection).scan(after=page.next or None)
                found |= {one.key: one for one in page.found if one.key.startswith(prefix)}
        return list(found.values())

    async def _write(
        self, write: Callable[[Collection], Awaitable[list[WriteOutcome]]]
    ) -> list[WriteOutcome]:
        answers = []
        for collection in (await self._targets.directory()).collections:
            try:
                answers.append(await write(collection))
            except StepwellError:
                if collection in (await self._targets.directory()).collections:
                    raise  # otherwise it was dropped while we wrote
        if not answers:  # all of them were dropped: there is another one
            return await self._write(write)
        return [_gravest(outcomes) for outcomes in zip(*answers, strict=True)]


def _unmade(error: BaseException) -> WriteOutcome:
    if not isinstance(error, Exception):
        raise error
    never = isinstance(error, ValueError)  # the contract of `Embedder.embed`
    status = WriteStatus.REFUSED if never else WriteStatus.RETRY
    return WriteOutcome(status, f"no vector: {error}")


async def _translated(embedded: Embedded, target: Target) -> Embedded:
    model = target.collection.model_id
    if embedded.model == model:
        return embedded
    vector = await target.embedder.embed(embedded.document.text())
    return replace(embedded, vector=vector, model=model)


def _gravest(outcomes: Sequence[WriteOutcome]) -> WriteOutcome:
    """What is not stored somewhere is not stored; else what the current collection says."""
    for status in _GRAVITY:
        for outcome in outcomes:
            if outcome.status is status:
                return outcome
    return outcomes[0]
