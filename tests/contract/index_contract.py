"""What every `VectorIndex` does. A subclass provides the fixture `index`, open and empty."""

import asyncio
import random
from dataclasses import replace

import numpy as np
import pytest

from stepwell.schemas.documents import Document, Embedded, Removal, SearchFilters
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.index.rules import BYTES_PER_CALL_MAX, OBJECTS_PER_CALL_MAX
from stepwell.streams.ports import VectorIndex, WriteStatus

DIMENSION = 4
STORED, STALE, REFUSED = WriteStatus.STORED, WriteStatus.STALE, WriteStatus.REFUSED
EAST = [1.0, 0.0, 0.0, 0.0]
NORTH = [0.0, 1.0, 0.0, 0.0]


def at(minute: int) -> str:
    return f"2026-03-01T10:{minute:02}:00Z"


def document(key: str = "github:acme/site#1", minute: int = 0, **fields: object) -> Document:
    base = Document(
        key=key,
        type="issue",
        repo="acme/site",
        number=1,
        title="Login fails",
        body="Since yesterday.",
        state="open",
        url="https://example.org/1",
        updated_at=at(minute),
    )
    return replace(base, **fields)


def embedded(
    key: str = "github:acme/site#1", minute: int = 0, vector: list[float] = EAST, **fields: object
) -> Embedded:
    return Embedded(document(key, minute, **fields), np.array(vector, np.float32), "mini@1")


async def upsert(index: VectorIndex, *objects: Embedded) -> list[WriteStatus]:
    return [outcome.status for outcome in await index.upsert(objects)]


async def remove(index: VectorIndex, *removals: Removal) -> list[WriteStatus]:
    return [outcome.status for outcome in await index.remove(removals)]


async def found(index: VectorIndex, filters: SearchFilters | None = None) -> dict[str, Document]:
    """Everything that is stored and passes."""
    hits = await index.search(np.array(EAST, np.float32), limit=1000, filters=filters)
    return {hit.document.key: hit.document for hit in hits}


class StoringContract:
    """What goes in comes out."""

    async def test_a_document_comes_back_as_it_went_in(self, index: VectorIndex):
        full = embedded(
            title="Größe «ø» 漢字 👩‍👩‍👧 \u200b\u202e",
            body="line one\r\nline two\ttab \\ \" ' {}" + "ab " * 20_000,
            labels=("bug", "good first issue", "ünïcode"),
            number=2**40,
            updated_at="2026-03-01T10:00:00.123456+02:00",
        )
        bare = embedded("k2", title="", body="", repo="", state="", url="", type="", number=0)
        assert await upsert(index, full, bare) == [STORED, STORED]
        assert await found(index) == {full.document.key: full.document, "k2": bare.document}

    async def test_writing_a_document_again_replaces_it(self, index: VectorIndex):
        await upsert(index, embedded(labels=("bug", "ui")))
        newer = embedded(minute=1, title="Login works", labels=())
        assert await upsert(index, newer) == [STORED]
        assert await found(index) == {newer.document.key: newer.document}
        assert await index.count() == 1

    async def test_keys_that_look_alike_are_different_documents(self, index: VectorIndex):
        keys = ["a", "A", "a ", "a#1", "a#11", "é", "e\u0301"]
        await upsert(index, *(embedded(key) for key in keys))
        assert sorted(await found(index)) == sorted(keys)
        assert await index.count() == len(keys)

    async def test_characters_that_stores_cannot_hold_are_replaced(self, index: VectorIndex):
        assert await upsert(index, embedded(title="a\0b", body="\ud800")) == [STORED]
        (stored,) = (await found(index)).values()
        assert (stored.title, stored.body) == ("ab", "?")

    async def test_a_document_is_found_by_its_key_with_its_vector(self, index: VectorIndex):
        wanted = embedded("a/b#1 é", vector=NORTH, labels=("bug",))
        await upsert(index, wanted, embedded("other"))
        found_one = await index.find("a/b#1 é")
        assert found_one is not None
        assert (found_one.document, found_one.model) == (wanted.document, "mini@1")
        assert found_one.vector.dtype == np.float32
        assert found_one.vector.tolist() == pytest.approx(NORTH)
        assert await index.find("a/b#1") is None

    async def test_a_removed_document_is_not_found_by_its_key(self, index: VectorIndex):
        await upsert(index, embedded("a\0b"))
        assert await index.find("a\0b") is not None
        await remove(index, Removal("a\0b", at(1)))
        assert await index.find("a\0b") is None

    async def test_nothing_to_write_is_fine(self, index: VectorIndex):
        assert await index.upsert([]) == []
        assert await index.remove([]) == []
        assert await index.count() == 0

    async def test_more_objects_than_one_call_takes_are_all_stored(self, index: VectorIndex):
        objects = [embedded(f"k{number}") for number in range(OBJECTS_PER_CALL_MAX + 5)]
        assert set(await upsert(index, *objects)) == {STORED}
        assert await index.count() == len(objects)
        removals = [Removal(one.document.key, at(1)) for one in objects]
        assert set(await remove(index, *removals)) == {STORED}
        assert await index.count() == 0

    async def test_closing_twice_is_fine(self, index: VectorIndex):
        await index.close()
        await index.close()


class OrderContract:
    """The newest version wins, whatever the order of arrival."""

    async def test_an_older_version_never_replaces_a_newer_one(self, index: VectorIndex):
        newer = embedded(minute=5, title="new")
        await upsert(index, newer)
        assert await upsert(index, embedded(minute=4, title="old")) == [STALE]
        assert await found(index) == {newer.document.key: newer.document}

    async def test_at_the_same_moment_the_last_upsert_wins(self, index: VectorIndex):
        await upsert(index, embedded(title="first"))
        assert await upsert(index, embedded(title="second")) == [STORED]
        assert [one.title for one in (await found(index)).values()] == ["second"]

    async def test_versions_are_moments_not_texts(self, index: VectorIndex):
        await upsert(index, embedded(updated_at="2026-03-01T10:00:00Z"))
        earlier = embedded(updated_at="2026-03-01T11:30:00+02:00", title="earlier")
        later = embedded(updated_at="2026-03-01T10:00:00.000001Z", title="later")
        assert await upsert(index, earlier) == [STALE]
        assert await upsert(index, later) == [STORED]
        assert [one.title for one in (await found(index)).values()] == ["later"]

    async def test_a_removed_document_is_gone(self, index: VectorIndex):
        await upsert(index, embedded("a"), embedded("b"))
        assert await remove(index, Removal("a", at(1))) == [STORED]
        assert list(await found(index)) == ["b"]
        assert await index.count() == 1

    async def test_a_late_older_upsert_does_not_bring_a_document_back(self, index: VectorIndex):
        await upsert(index, embedded(minute=1))
        await remove(index, Removal("github:acme/site#1", at(3)))
        assert await upsert(index, embedded(minute=2), embedded(minute=3)) == [STALE, STALE]
        assert await index.count() == 0

    async def test_a_removal_is_remembered_for_a_document_never_seen(self, index: VectorIndex):
        assert await remove(index, Removal("a", at(3))) == [STORED]
        assert await upsert(index, embedded("a", minute=2)) == [STALE]
        assert await index.count() == 0

    async def test_a_newer_upsert_brings_a_removed_document_back(self, index: VectorIndex):
        await upsert(index, embedded("a", minute=1))
        await remove(index, Removal("a", at(2)))
        assert await upsert(index, embedded("a", minute=3)) == [STORED]
        assert list(await found(index)) == ["a"]

    async def test_a_removal_older_than_what_is_stored_does_nothing(self, index: VectorIndex):
        await upsert(index, embedded("a", minute=3))
        assert await remove(index, Removal("a", at(2))) == [STALE]
        assert list(await found(index)) == ["a"]

    async def test_a_removal_wins_over_an_upsert_of_the_same_moment(self, index: VectorIndex):
        await upsert(index, embedded("a", minute=3))
        assert await remove(index, Removal("a", at(3))) == [STORED]
        assert await upsert(index, embedded("a", minute=3)) == [STALE]
        assert await index.count() == 0

    async def test_removals_can_be_repeated_and_never_weaken(self, index: VectorIndex):
        removals = [Removal("a", at(5)), Removal("a", at(5)), Removal("a", at(4))]
        assert await remove(index, *removals) == [STORED, STORED, STALE]
        assert await upsert(index, embedded("a", minute=5)) == [STALE]

    async def test_a_key_may_occur_several_times_in_one_call(self, index: VectorIndex):
        versions = [embedded("a", minute, title=f"at {minute}") for minute in (1, 3, 2, 4)]
        assert await upsert(index, *versions, embedded("b")) == [
            STORED,
            STORED,
            STALE,
            STORED,
            STORED,
        ]
        assert (await found(index))["a"].title == "at 4"

    async def test_concurrent_writers_of_one_key_leave_the_newest(self, index: VectorIndex):
        minutes = random.Random(1).sample(range(20), 20)
        await asyncio.gather(*(upsert(index, embedded("a", minute)) for minute in minutes))
        assert (await found(index))["a"].updated_at == at(19)

    @pytest.mark.parametrize("seed", range(4))
    async def test_every_order_of_arrival_ends_the_same(self, index: VectorIndex, seed: int):
        chance = random.Random(seed)
        keys = ["a", "b", "c"]
        writes = [
            (key, minute, kind)
            for key in keys
            for minute in chance.sample(range(10), 5)
            for kind in chance.choice([("upsert",), ("remove",), ("upsert", "remove")])
        ]
        chance.shuffle(writes)
        for key, minute, kind in writes:
            if kind == "upsert":
                await upsert(index, embedded(key, minute))
            else:
                await remove(index, Removal(key, at(minute)))
        last = {
            key: max((minute, kind == "remove") for of, minute, kind in writes if of == key)
            for key in keys
        }
        expected = {key: at(minute) for key, (minute, removed) in last.items() if not removed}
        stored = {key: one.updated_at for key, one in (await found(index)).items()}
        assert stored == expected, f"seed {seed}: {writes}"


class RefusalContract:
    """What can never be stored is said so, and nothing else suffers."""

    @pytest.mark.parametrize(
        ("poison", "reason"),
        [
            (embedded("bad", vector=[1.0, 0.0]), "dimension"),
            (embedded("bad", vector=[float("nan"), 0.0, 0.0, 0.0]), "no direction"),
            (embedded("bad", vector=[0.0, 0.0, 0.0, 0.0]), "no direction"),
            (embedded("bad", updated_at="yesterday"), "not an RFC 3339 time"),
            (embedded("bad", updated_at="2026-03-01T10:00:00"), "no time zone"),
            (embedded("bad", body="x" * BYTES_PER_CALL_MAX), "the limit is"),
            (embedded("bad", number=2**53), "number"),
            (embedded(""), "key is empty"),
            (embedded("\0"), "key is empty"),
        ],
        ids=["dimension", "nan", "zero", "time", "zone", "size", "number", "key", "nul-key"],
    )
    async def test_one_bad_object_is_refused_alone(
        self, index: VectorIndex, poison: Embedded, reason: str
    ):
        outcomes = await index.upsert([embedded("a"), poison, embedded("b")])
        assert [outcome.status for outcome in outcomes] == [STORED, REFUSED, STORED]
        assert reason in outcomes[1].detail
        assert sorted(await found(index)) == ["a", "b"]

    async def test_a_bad_removal_is_refused_alone(self, index: VectorIndex):
        await upsert(index, embedded("a"))
        bad = [Removal("a", "never"), Removal("", at(1))]
        assert await remove(index, *bad, Removal("a", at(1))) == [REFUSED, REFUSED, STORED]

    async def test_a_search_that_cannot_be_answered_is_refused(self, index: VectorIndex):
        with pytest.raises(RefusedByIndex, match="dimension 4"):
            await index.search(np.ones(3, np.float32), limit=1)
        with pytest.raises(RefusedByIndex, match="limit 0"):
            await index.search(np.ones(4, np.float32), limit=0)


class SearchContract:
    """Nearest first, filters exact."""

    async def test_hits_come_nearest_first_with_their_cosine(self, index: VectorIndex):
        await upsert(
            index,
            embedded("north", vector=NORTH),
            embedded("east", vector=EAST),
            embedded("west", vector=[-1.0, 0.0, 0.0, 0.0]),
            embedded("northeast", vector=[0.6, 0.8, 0.0, 0.0]),
        )
        hits = await index.search(np.array(EAST, np.float32), limit=10)
        assert [hit.document.key for hit in hits] == ["east", "northeast", "north", "west"]
        assert [hit.score for hit in hits] == pytest.approx([1.0, 0.6, 0.0, -1.0], abs=1e-5)
        assert {hit.model for hit in hits} == {"mini@1"}

    async def test_no_more_hits_than_asked_for(self, index: VectorIndex):
        await upsert(index, *(embedded(f"k{number}") for number in range(5)))
        assert len(await index.search(np.array(NORTH, np.float32), limit=3)) == 3

    async def test_an_empty_index_finds_nothing(self, index: VectorIndex):
        assert await found(index) == {}

    async def test_a_replaced_vector_is_found_where_it_is_now(self, index: VectorIndex):
        await upsert(index, embedded("a", vector=EAST), embedded("b", vector=NORTH))
        await upsert(index, embedded("a", minute=1, vector=[0.0, -1.0, 0.0, 0.0]))
        hits = await index.search(np.array(NORTH, np.float32), limit=2)
        assert [(hit.document.key, round(hit.score, 3)) for hit in hits] == [
            ("b", 1.0),
            ("a", -1.0),
        ]

    @pytest.mark.parametrize(
        ("filters", "keys"),
        [
            (SearchFilters(), ["a", "b", "c"]),
            (SearchFilters(type="milestone"), ["c"]),
            (SearchFilters(repo="acme/site"), ["a", "c"]),
            (SearchFilters(repo="acme"), []),
            (SearchFilters(repo="ACME/site"), []),
            (SearchFilters(state="open"), ["a", "b"]),
            (SearchFilters(labels=("good first issue",)), ["a"]),
            (SearchFilters(labels=("first",)), []),
            (SearchFilters(labels=("bug", "none")), ["a", "b"]),
            (SearchFilters(type="issue", repo="acme/site", state="open", labels=("bug",)), ["a"]),
            (SearchFilters(type="issue", state="closed"), []),
        ],
        ids=str,
    )
    async def test_filters_match_exactly_and_together(
        self, index: VectorIndex, filters: SearchFilters, keys: list[str]
    ):
        await upsert(
            index,
            embedded("a", labels=("bug", "good first issue")),
            embedded("b", repo="acme/site-2", labels=("bug",)),
            embedded("c", type="milestone", state="closed"),
        )
        assert sorted(await found(index, filters)) == keys


class IndexContract(StoringContract, OrderContract, RefusalContract, SearchContract):
    """All of it."""
