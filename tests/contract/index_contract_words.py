"""Keyword and hybrid search of every `VectorIndex`; the same hits and scores on all."""

import math
import random

import numpy as np
import pytest

from stepwell.schemas.documents import Embedded, Removal, SearchFilters
from stepwell.streams.index.errors import RefusedByIndex
from stepwell.streams.index.hybrid import search_hybrid
from stepwell.streams.index.memory import InMemoryIndex
from stepwell.streams.ports import VectorIndex
from tests.contract.index_contract import DIMENSION, EAST, NORTH, at, embedded, remove, upsert

SYNTAX = [
    '"',
    '""',
    '"login',
    "login*",
    "title:login",
    "-login",
    "NOT",
    "login AND",
    "(login",
    "NEAR(login, 2",
    "{login}:^",
    "login + fails",
    "'; DROP TABLE documents; --",
    "login\0fails",
    "\ud800 login",
    "%s ? :name @x $y",
    "",
    " \n\t",
    "!?.,;",
    "👩‍👩‍👧",
    "x" * 100_000,
    "login " * 10_000,
]


def text(key: str, body: str, **fields: object) -> Embedded:
    return embedded(key, title="", body=body, **fields)


async def keys(index: VectorIndex, query: str, **filters: str) -> list[str]:
    hits = await index.search_words(query, limit=10, filters=SearchFilters(**filters))
    return [hit.document.key for hit in hits]


class WordsContract:
    """Search by words, and by words and meaning together."""

    async def test_a_document_is_found_by_title_body_and_labels(self, index: VectorIndex):
        full = embedded(title="Login fails", body="On Safari\n17.", labels=("needs-triage",))
        await upsert(index, full, text("other", "nothing of that"))
        for query in ("login", "FAILS", "safari", "17", "triage", "needs triage", "what fails?"):
            (hit,) = await index.search_words(query, limit=10)
            assert (hit.document, hit.model) == (full.document, "mini@1")

    async def test_case_and_accents_make_no_difference(self, index: VectorIndex):
        await upsert(index, text("a", "Ein CAFÉ in großen Städten"), text("b", "e\u0301tude 漢字"))
        for query in ("cafe", "Café", "CAFE\u0301", "GROSSEN", "großen", "stadten"):
            assert await keys(index, query) == ["a"]
        for query in ("étude", "etude", "漢字"):
            assert await keys(index, query) == ["b"]

    async def test_only_whole_words_match(self, index: VectorIndex):
        await upsert(index, text("a", "snake_case and e-mail"))
        assert await keys(index, "snak") == []
        assert await keys(index, "snake") == await keys(index, "mail") == ["a"]

    async def test_one_word_is_enough_and_the_commonest_do_not_count(self, index: VectorIndex):
        await upsert(
            index, text("both", "red apple"), text("one", "red car"), text("no", "the sea")
        )
        assert await keys(index, "the red apple") == ["both", "one"]
        assert await keys(index, "the of and") == []

    async def test_rare_words_weigh_more_and_long_documents_less(self, index: VectorIndex):
        await upsert(
            index,
            text("rare", "zebra"),
            text("frequent", "horse"),
            text("long", "horse " + "filler " * 20),
            text("twice", "horse horse"),
        )
        assert await keys(index, "horse zebra") == ["rare", "twice", "frequent", "long"]

    async def test_the_score_is_bm25(self, index: VectorIndex):
        await upsert(index, text("a", "x x y"), text("b", "y"), text("c", "z z"))
        hits = await index.search_words("x", limit=10)
        rarity = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
        expected = rarity * 2 / (2 + 1.2 * (1 - 0.75 + 0.75 * 3 / 2))
        assert [hit.score for hit in hits] == [pytest.approx(expected, rel=1e-4)]

    async def test_a_replaced_document_is_found_by_what_it_says_now(self, index: VectorIndex):
        await upsert(index, text("a", "old words"), text("b", "old"))
        await upsert(index, text("a", "new words", minute=1))
        assert await keys(index, "old") == ["b"]
        assert await keys(index, "new") == ["a"]

    async def test_a_removed_document_is_not_found(self, index: VectorIndex):
        await upsert(index, text("a", "words"), text("b", "words"))
        await remove(index, Removal("a", at(1)))
        assert await keys(index, "words") == ["b"]
        await upsert(index, text("a", "words", minute=2))
        assert sorted(await keys(index, "words")) == ["a", "b"]

    async def test_filters_hold(self, index: VectorIndex):
        await upsert(
            index,
            text("a", "words", labels=("bug",)),
            text("b", "words", repo="acme/other"),
            text("c", "words words", state="closed"),
        )
        assert await keys(index, "words", state="closed") == ["c"]
        assert sorted(await keys(index, "words", repo="acme/site")) == ["a", "c"]
        assert await keys(index, "words", repo="acme/site", state="open") == ["a"]
        assert await keys(index, "words", labels=("bug", "none")) == ["a"]
        assert await keys(index, "words", type="\ud800") == []

    async def test_no_more_hits_than_asked_for(self, index: VectorIndex):
        await upsert(index, *(text(f"k{number}", "words") for number in range(5)))
        assert len(await index.search_words("words", limit=3)) == 3
        with pytest.raises(RefusedByIndex, match="limit 0"):
            await index.search_words("words", limit=0)

    @pytest.mark.parametrize("query", SYNTAX, ids=lambda query: ascii(query[:20]))
    async def test_nothing_in_a_query_is_syntax(self, index: VectorIndex, query: str):
        await upsert(index, embedded("a", title="login fails"), text("b", "not near and title"))
        for hit in await index.search_words(query, limit=10):
            assert hit.document.key in {"a", "b"}
        if "login" in query and "\0" not in query:
            assert "a" in await keys(index, query)

    async def test_every_kind_gives_the_same_hits_and_scores(self, index: VectorIndex):
        chance = random.Random(5)
        reference = InMemoryIndex(DIMENSION)
        vocabulary = [f"w{number}" for number in range(60)]
        weights = [1 / (number + 1) for number in range(60)]

        def some(count: int) -> str:
            return " ".join(chance.choices(vocabulary, weights, k=count))

        for minute in range(3):  # some are replaced, some are removed
            objects = [
                text(f"k{chance.randrange(200)}", some(chance.randint(1, 40)), minute=minute)
                for _ in range(150)
            ]
            removals = [Removal(f"k{chance.randrange(200)}", at(minute)) for _ in range(20)]
            for each in (index, reference):
                await each.upsert(objects)
                await each.remove(removals)
        for query in ("w0", "w1 w7", "w3 w20 w59", "w0 w1 w2 w30"):
            expected = await reference.search_words(query, limit=1000)
            hits = await index.search_words(query, limit=1000)
            assert {hit.document.key: hit.score for hit in hits} == pytest.approx(
                {hit.document.key: hit.score for hit in expected}, rel=1e-3
            )
            scores = [hit.score for hit in hits]
            assert scores == sorted(scores, reverse=True)

    async def test_hybrid_search_fuses_the_ranks_of_both(self, index: VectorIndex):
        await upsert(
            index,
            text("meaning", "sea", vector=EAST),
            text("both", "horse sea", vector=[0.8, 0.6, 0.0, 0.0]),
            text("words", "horse", vector=NORTH),
            text("neither", "sea", vector=[-1.0, 0.0, 0.0, 0.0]),
        )
        hits = await search_hybrid(index, "horse", np.array(EAST, np.float32), limit=10)
        expected = {
            "both": 1 / 62 + 1 / 62,
            "words": 1 / 63 + 1 / 61,
            "meaning": 1 / 61,
            "neither": 1 / 64,
        }
        assert [hit.document.key for hit in hits] == sorted(expected, key=lambda k: -expected[k])
        assert {hit.document.key: hit.score for hit in hits} == pytest.approx(expected)
        (hit,) = await search_hybrid(
            index, "horse", np.array(EAST, np.float32), limit=1, filters=SearchFilters(repo="r")
        ) or [None]
        assert hit is None
