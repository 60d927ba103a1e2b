"""Keyword search, the same on every index: what a word is, what a match is worth.

A document is the bag of words of title, body and labels, scored by BM25 with the constants below.
Stores tokenise in ways of their own, so they are given words that are cut already.
"""

import math
import re
import unicodedata

from stepwell.schemas.documents import Document

K1 = 1.2
B = 0.75
"""BM25's constants: what FTS5 has built in, and what Weaviate is told."""
QUERY_WORDS_MAX = 32
"""Further words of a query are ignored."""
WORD_CHARS_MAX = 100
"""Longer ones are data, not words, and left out."""

_WORD = re.compile(r"[^\W_]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with",
    )
)


def words(text: str) -> list[str]:
    """Runs of letters and digits without case and accents; the commonest English ones left out."""
    if text.isascii():  # the same as below, in half the time
        found = text.translate(_ASCII).split()
    else:
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())
        found = _WORD.findall(unicodedata.normalize("NFC", plain))
    return [word for word in found if word not in _COMMON and len(word) <= WORD_CHARS_MAX]


def document_words(document: Document) -> list[str]:
    """What a document can be found by."""
    return words("\n".join((document.title, document.body, *document.labels)))


def query_words(text: str) -> list[str]:
    """The different words of a query; a document needs one of them."""
    return list(dict.fromkeys(words(text)))[:QUERY_WORDS_MAX]


def rarity(documents: int, holding: int) -> float:
    """BM25's inverse document frequency, the form that is never negative."""
    return math.log1p((documents - holding + 0.5) / (holding + 0.5))


def weight(times: int, length: int, length_mean: float) -> float:
    """BM25's weight of a word that occurs `times` in a document of `length` words."""
    return times / (times + K1 * (1 - B + B * length / length_mean))
