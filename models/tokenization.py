"""Texts to token ids: truncated at the model's limit, on the side its file says, never padded."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers.models import Unigram

from stepwell.models.arrays import Ids
from stepwell.models.errors import FileDamaged


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of one text; `truncated` when it had more than the limit."""

    ids: Ids
    truncated: bool


class Tokenizer:
    """A tokenizer.json with our limit instead of its own, and without padding. Thread-safe."""

    def __init__(self, contents: bytes, path: Path, *, max_tokens: int) -> None:
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(contents)
        except ValueError as error:
            raise FileDamaged(path, f"is no tokenizer: {error}") from error
        _restore_scores(self._tokenizer, contents)
        # The library's own threads would be shared by all: a query would wait behind long texts.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._tokenizer.no_padding()
        side = (self._tokenizer.truncation or {"direction": "right"})["direction"]
        self._tokenizer.enable_truncation(max_tokens, direction=side)

    @property
    def added_tokens(self) -> int:
        """How many tokens it puts around every text."""
        return self._tokenizer.num_special_tokens_to_add(is_pair=False)

    @property
    def highest_id(self) -> int:
        """The highest id that it can give."""
        return max(self._tokenizer.get_vocab().values(), default=-1)

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, on this thread; the GIL is released."""
        return [
            Tokens(np.array(encoding.ids, dtype=np.int32), bool(encoding.overflowing))
            for encoding in self._tokenizer.encode_batch_fast(list(texts))
        ]


def _restore_scores(tokenizer: tokenizers.Tokenizer, contents: bytes) -> None:
    """Gives a Unigram model the scores that its file states.

    The library reads some of them wrong in the last bit, and ties between two ways to split a
    word then fall differently than in the original.
    """
    if not isinstance(tokenizer.model, Unigram):
        return
    model = json.loads(contents)["model"]
    vocabulary = [(token, score) for token, score in model["vocab"]]
    tokenizer.model = Unigram(vocabulary, model.get("unk_id"), model.get("byte_fallback", False))
