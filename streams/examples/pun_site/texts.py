"""What a pun may be: cleaned, long enough, and what a moderator would likely object to. Pure."""

import json
import re
from hashlib import blake2b

from stepwell.streams.bindings.language import Question

LENGTH_MIN, LENGTH_MAX = 10, 280
_ID_BYTES = 6
"""Small enough for the numbers that an index stores."""
_JOINER = "\u200d"
_RUDE = frozenset({"damn", "damned", "crap", "bastard", "bloody", "arse", "piss", "shit", "fuck"})
_ADDRESS = re.compile(r"https?://|www\.|\S+@\S+\.\S+", re.IGNORECASE)
_REPEATED = re.compile(r"(.)\1{7,}")
_LOUD_LETTERS_MIN = 16
_CATEGORIES = {
    "baking": ("dough", "baker", "bread", "knead", "flour", "cake", "pie"),
    "insects": ("flies", "fly", "bee", "bees", "ant", "moth", "beetle"),
    "animals": ("beaver", "dog", "cat", "cow", "fish", "seal", "bear", "owl", "sheep"),
    "time": ("time", "clock", "clocks", "calendar", "days", "watch"),
    "science": ("atom", "atoms", "physics", "chemistry", "gravity", "photon", "helium"),
    "computing": ("computer", "byte", "bytes", "cache", "code", "bug", "bugs", "cookie"),
    "music": ("band", "chord", "notes", "treble", "violin", "bass", "drum"),
    "food": ("banana", "fruit", "cheese", "pasta", "lettuce", "coffee", "tea", "mushroom"),
}


class TextRefused(ValueError):
    """No pun can have this text; the message says why to whoever wrote it."""


def cleaned(text: str) -> str:
    """In one line, without characters that cannot be seen."""
    seen = "".join(it for it in text if it.isprintable() or it.isspace() or it == _JOINER)
    return " ".join(seen.split())


def checked(text: str) -> str:
    """The text of a pun, cleaned; raises `TextRefused`."""
    pun = cleaned(text)
    if len(pun) < LENGTH_MIN:
        raise TextRefused(f"A pun needs at least {LENGTH_MIN} characters; this has {len(pun)}.")
    if len(pun) > LENGTH_MAX:
        raise TextRefused(f"A pun has at most {LENGTH_MAX} characters; this has {len(pun)}.")
    return pun


def number_of(pun: str) -> int:
    """The number of a pun: the same for the same words, so that nobody posts a pun twice."""
    words = pun.casefold().encode(errors="replace")
    return int.from_bytes(blake2b(words, digest_size=_ID_BYTES).digest())


def objection(pun: str) -> str:
    """What a moderator would object to; empty when there is nothing to see at once."""
    rude = sorted(_words(pun) & _RUDE)
    if rude:
        return f"rude: {', '.join(rude)}"
    if _ADDRESS.search(pun):
        return "an address: puns carry no links"
    if _REPEATED.search(pun):
        return "the same character over and over"
    letters = [it for it in pun if it.isalpha()]
    if len(letters) >= _LOUD_LETTERS_MIN and all(it.isupper() for it in letters):
        return "all in capitals"
    return ""


def verdict(question: Question) -> str:
    """The answer of a moderator who knows these rules and nothing else; for `LocalModel`."""
    why = objection(question.prompt)
    return json.dumps({"acceptable": not why, "reason": why})


def categories(question: Question) -> str:
    """What the words of a pun are about, if they are well known; for `LocalModel`."""
    words = _words(question.prompt)
    return ", ".join(name for name, known in _CATEGORIES.items() if not words.isdisjoint(known))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
