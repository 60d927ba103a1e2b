"""What counts as a word, and how two rankings become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.schemas.documents import Document, Hit
from stepwell.streams.index.hybrid import fused
from stepwell.streams.index.keywords import WORD_CHARS_MAX, query_words, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Login fails, on Safari 17.", ["login", "fails", "safari", "17"]),
        (
            "snake_case, e-mail; C++ and f(x)=y²",
            ["snake", "case", "e", "mail", "c", "f", "x", "y2"],
        ),
        ("GRÖSSE große Grosse", ["grosse"] * 3),
        ("İstanbul ﬁx 3㎒ ｆｕｌｌ", ["istanbul", "fix", "3mhz", "full"]),
        ("がぎ 漢字 한국어", ["がぎ", "漢字", "한국어"]),
        ("x" * WORD_CHARS_MAX + " " + "y" * (WORD_CHARS_MAX + 1), ["x" * WORD_CHARS_MAX]),
        ("\ud800 \0 👩‍👩‍👧 …", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text, found):
    assert words(text) == found


@given(st.text(st.characters(codec="ascii")))
def test_plain_text_is_cut_as_any_other_text_is(text):
    assert words(text) == words(f"{text} ∅")


@given(st.text())
def test_words_of_words_are_the_same(text):
    found = words(text)
    assert words(" ".join(found)) == found


def test_a_query_is_its_different_words_up_to_a_limit():
    assert query_words("b a1 B a1 c") == ["b", "a1", "c"]
    assert len(query_words(" ".join(f"w{number}" for number in range(100)))) == 32


def hits(*keys):
    return [
        Hit(Document(key, "issue", "r", 1, "", "", "open", "u", "2026-03-01T10:00:00Z"), 1.0, "m")
        for key in keys
    ]


def test_fusion_prefers_what_both_rankings_have_and_breaks_ties_by_key():
    found = fused([hits("a", "b", "c"), hits("d", "c")])
    assert [hit.document.key for hit in found] == ["c", "a", "d", "b"]
    assert [hit.score for hit in found] == [1 / 63 + 1 / 62, 1 / 61, 1 / 61, 1 / 62]
    assert fused([[], []]) == []
