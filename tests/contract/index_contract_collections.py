"""What every kind of index does with several collections.

A subclass provides the fixture `url`, of an index of its own, and `first`, a name for a collection.
"""

import asyncio

import pytest

from stepwell.schemas.documents import Embedded, Removal, SearchFilters
from stepwell.streams.bindings.embedding import WordEmbedder
from stepwell.streams.index.directory import Collection, Directory
from stepwell.streams.index.errors import UnknownCollection, WrongModel
from stepwell.streams.index.everywhere import EveryCollection
from stepwell.streams.index.factory import make_directory, make_index, open_index
from stepwell.streams.index.searching import search
from stepwell.streams.index.targets import Means, Targets
from stepwell.streams.ports import Scan, SearchMode, Stored, VectorIndex, WriteStatus
from tests.contract.index_contract import document

MODELS = {"small": 8, "large": 16}


class Model(WordEmbedder):
    """A model that says which it is."""

    def __init__(self, name: str, revision: int = 1) -> None:
        super().__init__(MODELS[name])
        self.model_id = f"{name}@{revision}"


async def load(name: str) -> Model:
    return Model(name)


def targets_of(url: str, first: str, load=load, model: str = "small") -> Targets:
    """What one process opens."""
    return Targets(
        Means(
            store=make_directory(url, first),
            open_index=lambda one: make_index(url, one.name, one.dimension, first=first),
            load=load,
            first=first,
            first_model=model,
        )
    )


def other(first: str, model: str = "large") -> Collection:
    return Collection(f"{first}Next", model, f"{model}@1", MODELS[model])


async def create(targets: Targets, added: Collection) -> None:
    found = await targets.directory()
    await targets.index(added).open()
    assert await targets.replace(found, found.including(added))


async def switch(targets: Targets, name: str) -> None:
    found = await targets.directory()
    assert await targets.replace(found, found.switched(name))


async def embedded(key: str, title: str, minute: int = 0, model: str = "small") -> Embedded:
    made = document(key, minute, title=title, body="")
    return Embedded(made, await Model(model).embed(made.text()), f"{model}@1")


async def searched(targets: Targets, text: str) -> list[tuple[str, str]]:
    """Keys and models of what is found."""
    hits = await search(targets, text, SearchMode.SEMANTIC, limit=10, filters=SearchFilters())
    return [(hit.document.key, hit.model) for hit in hits]


async def everything(index: VectorIndex, limit: int = 1000) -> list[Stored]:
    page = Scan((), "")
    found: list[Stored] = []
    while page.next is not None:
        page = await index.scan(after=page.next or None, limit=limit)
        found += page.found
    return found


class CollectionsContract:
    """Made, filled, changed over to, dropped."""

    @pytest.fixture
    async def targets(self, url: str, first: str):
        targets = targets_of(url, first)
        yield targets
        await targets.close()

    async def test_an_index_begins_with_one_collection_for_the_model_at_hand(
        self, targets: Targets, first: str
    ):
        begun = await targets.directory()
        assert begun == Directory((Collection(first, "small", "small@1", 8),))
        assert await targets.directory() == begun

    async def test_processes_that_begin_together_agree(self, url: str, first: str):
        several = [targets_of(url, first) for _ in range(4)]
        found = await asyncio.gather(*(targets.directory() for targets in several))
        assert len(set(found)) == 1
        for targets in several:
            await targets.close()

    async def test_an_index_without_a_directory_becomes_the_first_collection(
        self, url: str, first: str, targets: Targets
    ):
        index = await open_index(url, first, 8)
        await index.upsert([await embedded("a", "login fails")])
        await index.close()
        assert await searched(targets, "login") == [("a", "small@1")]

    async def test_vectors_of_another_model_are_not_taken_over(self, url: str, first: str):
        index = await open_index(url, first, 8)
        await index.upsert([await embedded("a", "login fails")])
        await index.close()

        async def newer(name: str) -> Model:
            return Model(name, revision=2)

        targets = targets_of(url, first, newer)
        with pytest.raises(WrongModel, match="made with small@1, here is small@2"):
            await targets.directory()
        await targets.close()

    async def test_live_writes_reach_every_collection_by_its_own_model(
        self, targets: Targets, first: str
    ):
        await create(targets, other(first))
        writer = EveryCollection(targets)
        outcomes = await writer.upsert([await embedded("a", "login fails")])
        assert [outcome.status for outcome in outcomes] == [WriteStatus.STORED]
        for name, model in ((first, "small@1"), (f"{first}Next", "large@1")):
            target = await targets.find(name)
            vector = await target.embedder.embed("login fails")
            (hit,) = await target.index.search(vector, limit=1)
            assert (hit.model, round(hit.score, 3)) == (model, 1.0)
        await writer.remove([Removal("a", document(minute=1).updated_at)])
        assert [
            await targets.index(one).count() for one in (await targets.directory()).collections
        ] == [0, 0]

    async def test_searches_change_over_at_once_and_back(
        self, url: str, targets: Targets, first: str
    ):
        writer = EveryCollection(targets)
        await writer.upsert([await embedded("old", "login fails")])
        await create(targets, other(first))
        await writer.upsert([await embedded("new", "login works")])
        another_process = targets_of(url, first)
        await switch(targets, f"{first}Next")
        assert await searched(another_process, "login") == [("new", "large@1")]
        await writer.upsert([await embedded("later", "a login")])
        await switch(targets, first)
        found = dict(await searched(another_process, "login"))
        assert found == {"old": "small@1", "new": "small@1", "later": "small@1"}
        await another_process.close()

    async def test_a_search_never_fails_or_mixes_models_while_collections_come_and_go(
        self, url: str, targets: Targets, first: str
    ):
        writer = EveryCollection(targets)
        await writer.upsert([await embedded("a", "login fails")])
        reader = targets_of(url, first)
        seen = set()
        done = asyncio.Event()

        async def search() -> None:
            while not done.is_set():
                (hit,) = await searched(reader, "login")
                seen.add(hit)

        searching = asyncio.create_task(search())
        for turn in range(3):
            name = f"{first}Turn{turn}"
            await create(targets, Collection(name, "large", "large@1", 16))
            filled = await targets.find(name)
            await filled.index.upsert([await embedded("a", "login fails", model="large")])
            await switch(targets, name)
            found = await targets.directory()
            gone = found.collections[1]
            assert await targets.replace(found, found.without(gone.name))
            await targets.index(gone).drop()
        done.set()
        await searching
        assert seen <= {("a", "small@1"), ("a", "large@1")}
        await reader.close()

    async def test_a_dropped_collection_is_unknown_and_can_be_made_again_for_another_model(
        self, targets: Targets, first: str
    ):
        await create(targets, other(first))
        await EveryCollection(targets).upsert([await embedded("a", "login fails")])
        found = await targets.directory()
        await targets.replace(found, found.without(f"{first}Next"))
        await targets.index(other(first)).drop()
        with pytest.raises(UnknownCollection, match=f"only {first}"):
            await targets.find(f"{first}Next")
        await create(targets, other(first, "small"))
        assert await (await targets.find(f"{first}Next")).index.count() == 0

    async def test_a_change_of_what_has_changed_meanwhile_is_not_made(
        self, targets: Targets, first: str
    ):
        found = await targets.directory()
        assert await targets.replace(found, found.including(other(first)))
        assert not await targets.replace(found, found.including(other(first, "small")))
        assert await targets.directory() == found.including(other(first))

    async def test_everything_stored_is_scanned_once_page_by_page(
        self, targets: Targets, first: str
    ):
        index = (await targets.find()).index
        await index.upsert([await embedded(f"k{number}", "a title") for number in range(7)])
        await index.remove([Removal("k3", document(minute=1).updated_at)])
        wanted = document()
        kept = [f"k{number}" for number in range(7) if number != 3]
        for limit in (1, 2, 3, 6, 1000):
            found = await everything(index, limit)
            assert sorted(one.key for one in found) == kept
            assert {(one.type, one.repo, one.updated_at) for one in found} == {
                (wanted.type, wanted.repo, wanted.updated_at)
            }

    async def test_dropping_twice_is_fine(self, targets: Targets):
        index = (await targets.find()).index
        await index.upsert([await embedded("a", "login fails")])
        await index.drop()
        await index.drop()
        assert await index.count() == 0
