"""A published tokenizer is used as all files of its directory together describe it."""

import json
from pathlib import Path
from typing import Any

import pytest

from stepwell.models.errors import FileDamaged, FileIsPointer, FileMissing, UnsupportedModel
from stepwell.models.model import load_model
from stepwell.models.published_tokenizer import read_tokenizer
from stepwell.models.tokenization import Tokenizer
from tests.models.tiny import VOCABULARY

CLS, SEP = "[CLS]", "[SEP]"


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def normalizer(source: Path, value: dict[str, Any] | None) -> None:
    document = json.loads((source / "tokenizer.json").read_text())
    write(source / "tokenizer.json", document | {"normalizer": value})


def only_vocabulary(source: Path, words: list[str] = VOCABULARY, end: str = "\n") -> None:
    (source / "tokenizer.json").unlink()
    (source / "vocab.txt").write_bytes("".join(word + end for word in words).encode())


def tokens(source: Path, text: str, *, max_tokens: int = 16) -> list[str]:
    published = read_tokenizer(source)
    tokenizer = Tokenizer(published.contents, published.path, max_tokens=max_tokens)
    return [VOCABULARY[it] for it in tokenizer.encode([text])[0].ids]


def test_a_file_that_nothing_overrules_stays_as_it_is(make_source):
    source = make_source()
    described = {"do_lower_case": True, "truncation_side": "right", "strip_accents": None}
    write(source / "tokenizer_config.json", described)
    published = read_tokenizer(source)
    assert published.path == source / "tokenizer.json"
    assert published.contents == (source / "tokenizer.json").read_bytes()


def test_letters_are_treated_as_the_tokenizers_config_says(make_source):
    source = make_source()
    assert tokens(source, "DONE döne") == [CLS, "done", "done", SEP]
    write(source / "tokenizer_config.json", {"do_lower_case": False})
    assert tokens(source, "DONE döne") == [CLS, "[UNK]", "[UNK]", SEP]
    write(source / "tokenizer_config.json", {"strip_accents": False})
    assert tokens(source, "DONE döne") == [CLS, "done", "[UNK]", SEP]


def test_ideographs_are_words_unless_the_config_says_otherwise(make_source):
    source = make_source()
    assert tokens(source, "日本") == [CLS, "[UNK]", "[UNK]", SEP]
    write(source / "tokenizer_config.json", {"tokenize_chinese_chars": False})
    assert tokens(source, "日本") == [CLS, "[UNK]", SEP]


def test_a_space_before_the_text_is_that_of_the_config(make_source):
    source = make_source()
    document = json.loads((source / "tokenizer.json").read_text())
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    write(source / "tokenizer.json", document | {"pre_tokenizer": bytewise})
    assert tokens(source, "done") == [CLS, "done", SEP]
    write(source / "tokenizer_config.json", {"add_prefix_space": True})
    assert tokens(source, "done") == [CLS, "[UNK]", SEP]


@pytest.mark.parametrize("kind", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_class_that_takes_the_file_as_it_is(make_source, kind):
    source = make_source()
    write(source / "tokenizer_config.json", {"tokenizer_class": kind, "do_lower_case": False})
    assert tokens(source, "DONE") == [CLS, "done", SEP]


def test_a_tokenizer_of_another_kind_has_no_such_settings(make_source):
    source = make_source()
    normalizer(source, {"type": "NFKC"})
    write(source / "tokenizer_config.json", {"do_lower_case": True})
    assert read_tokenizer(source).contents == (source / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"type": "NFKC"},
        {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFC"}]},
    ],
)
def test_lower_casing_beside_the_limit_comes_before_all_else(make_source, value):
    source = make_source()
    normalizer(source, value)
    assert tokens(source, "DONE") == [CLS, "[UNK]", SEP]
    write(source / "sentence_bert_config.json", {"do_lower_case": True})
    assert tokens(source, "DONE") == [CLS, "done", SEP]


def test_the_side_on_which_texts_are_cut(make_source):
    source = make_source()
    text = "done twice poison"
    assert tokens(source, text, max_tokens=4) == [CLS, "done", "twice", SEP]
    write(source / "tokenizer_config.json", {"truncation_side": "left"})
    assert tokens(source, text, max_tokens=4) == [CLS, "twice", "poison", SEP]
    document = json.loads((source / "tokenizer.json").read_text())
    write(source / "tokenizer.json", document | {"truncation": None})
    assert tokens(source, text, max_tokens=4) == [CLS, "twice", "poison", SEP]
    write(source / "tokenizer_config.json", {"truncation_side": "middle"})
    with pytest.raises(UnsupportedModel, match=r"truncation_side 'Middle' is neither left nor"):
        tokens(source, text)


def test_a_model_keeps_what_overruled_its_tokenizer(make_source, export_tiny):
    source = make_source()
    write(source / "tokenizer_config.json", {"truncation_side": "left"})
    model = load_model(export_tiny(source, source.parent / "model"))
    cut = model.tokenise(["twice " + "done " * 40 + "poison"])[0].ids
    assert [VOCABULARY[it] for it in cut] == [CLS, *["done"] * 29, "poison", SEP]
    assert "tokenizer_config.json" in [it.name for it in model.manifest.made_from]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_vocabulary_is_enough_for_the_first_bert(make_source, end):
    source = make_source()
    texts = ["DONE twice", "dönes, 42!", "日本 a+b", "", "x" * 200]
    expected = [tokens(source, text) for text in texts]
    only_vocabulary(source, end=end)
    assert tokens(source, "done [SEP]") == [CLS, "done", SEP, SEP]  # no word, but a mark
    assert [tokens(source, text) for text in texts] == expected
    assert read_tokenizer(source).path == source / "vocab.txt"
    write(source / "tokenizer_config.json", {"do_lower_case": False})
    assert tokens(source, "DONE done") == [CLS, "[UNK]", "done", SEP]


def test_a_directory_with_only_a_vocabulary_exports(make_source, export_tiny):
    source = make_source()
    whole = load_model(export_tiny(source, source.parent / "whole"))
    only_vocabulary(source)
    model = load_model(export_tiny(source, source.parent / "model"))
    assert (model.vectors(["Done twice"]) == whole.vectors(["Done twice"])).all()
    assert "vocab.txt" in [it.name for it in model.manifest.made_from]


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "BertJapaneseTokenizer"}),
        ("config.json", {"tokenizer_class": "BertJapaneseTokenizer"}),
        ("config.json", {"model_type": "roberta"}),
    ],
)
def test_a_vocabulary_of_another_tokenizer(make_source, file, setting):
    source = make_source()
    only_vocabulary(source)
    known = json.loads((source / file).read_text()) if (source / file).exists() else {}
    write(source / file, known | setting)
    with pytest.raises(FileMissing, match=r"tokenizer.json: does not exist. Make it once, with"):
        read_tokenizer(source)


def test_no_tokenizer_at_all_says_how_to_make_one(make_source):
    source = make_source()
    (source / "tokenizer.json").unlink()
    with pytest.raises(FileMissing, match=r"AutoTokenizer.from_pretrained\(.*\).save_pretrained"):
        read_tokenizer(source)


def test_a_pointer_in_place_of_the_tokenizer(make_source):
    source = make_source()
    (source / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256")
    with pytest.raises(FileIsPointer, match=r"tokenizer.json: is a Git LFS pointer.*git lfs pull"):
        read_tokenizer(source)


def test_a_vocabulary_that_is_none(make_source):
    source = make_source()
    only_vocabulary(source, words=["done", "[UNK]"])
    with pytest.raises(FileDamaged, match=r"vocab.txt: is no vocabulary .* lacks \[CLS\], \[SEP\]"):
        read_tokenizer(source)
    (source / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(FileDamaged, match=r"vocab.txt: is not UTF-8"):
        read_tokenizer(source)
