"""Texts become token ids: truncated at the model's limit, never padded."""

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import models

from stepwell.models.errors import FileDamaged
from stepwell.models.tokenization import Tokenizer
from tests.models.tiny import VOCABULARY

CLS, SEP = 2, 3


@pytest.fixture
def tokenizer(make_source) -> Tokenizer:
    path = make_source() / "tokenizer.json"
    return Tokenizer(path.read_bytes(), path, max_tokens=16)


def test_the_padding_and_truncation_in_the_file_are_not_used(tokenizer):
    short, longer = tokenizer.encode(["done", "done twice done twice done twice done twice"])
    assert len(short.ids) == 3
    assert len(longer.ids) == 10
    assert not longer.truncated


def test_a_long_text_is_cut_before_its_last_token_and_flagged(tokenizer):
    whole, cut = tokenizer.encode(["done " * 14, "done " * 15])
    assert len(whole.ids) == len(cut.ids) == 16
    assert (cut.ids[0], cut.ids[-1]) == (CLS, SEP)
    assert (whole.truncated, cut.truncated) == (False, True)


@pytest.mark.parametrize(("side", "kept"), [("Left", "twice"), ("Right", "done")])
def test_a_long_text_is_cut_on_the_side_that_the_file_says(make_source, side, kept):
    path = make_source() / "tokenizer.json"
    document = json.loads(path.read_text())
    document["truncation"]["direction"] = side
    cut = Tokenizer(json.dumps(document).encode(), path, max_tokens=3).encode(["done twice"])[0]
    assert (list(cut.ids), cut.truncated) == ([CLS, VOCABULARY.index(kept), SEP], True)


def test_a_file_that_is_no_tokenizer_is_named():
    path = Path("tokenizer.json")
    for contents in (b"{}", b"PK\x03\x04", b'{"model": {"type": "Unknown"}}'):
        with pytest.raises(FileDamaged, match=r"tokenizer.json: is no tokenizer"):
            Tokenizer(contents, path, max_tokens=16)


def test_scores_are_read_as_the_file_states_them():
    """The library reads some wrong in the last bit, and then ties fall differently."""
    vocabulary = [["<unk>", 0.0], ["a", -3.7118048091625155], ["b", -6.1177708307089524]]
    original = tokenizers.Tokenizer(models.Unigram([(t, s) for t, s in vocabulary], 0))
    read = Tokenizer(original.to_str().encode(), Path("tokenizer.json"), max_tokens=16)
    assert json.loads(read._tokenizer.to_str())["model"]["vocab"] == vocabulary
