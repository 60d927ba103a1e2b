"""The tokenizer of a published directory, as one tokenizer.json.

Other files of the directory overrule that one, as they do in the libraries of their makers.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from stepwell.models.architecture import read_limits
from stepwell.models.errors import FileDamaged, FileIsPointer, FileMissing, UnsupportedModel
from stepwell.models.files import is_pointer, read_file, read_json
from stepwell.models.manifest import TOKENIZER
from stepwell.models.settings import Settings

VOCABULARY = "vocab.txt"

_WORD_PIECES = {
    "model_type": ("bert", "distilbert"),
    "tokenizer_class": ("BertTokenizer", "DistilBertTokenizer"),
}
"""What config.json and tokenizer_config.json may say where a vocabulary is all there is: others
split words in their own ways."""

_PARTS = (
    (
        "normalizer",
        "BertNormalizer",
        {
            "lowercase": "do_lower_case",
            "strip_accents": "strip_accents",
            "handle_chinese_chars": "tokenize_chinese_chars",
        },
    ),
    ("pre_tokenizer", "ByteLevel", {"add_prefix_space": "add_prefix_space"}),
)
"""Parts of a tokenizer.json, and what tokenizer_config.json calls their settings."""

_PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes that take tokenizer.json as it is."""

_TRUNCATION = {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0}
"""What a file without it does, but for the limit: that of the model is put in its place."""

_MARKS = ("[UNK]", "[CLS]", "[SEP]")

_Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class PublishedTokenizer:
    """`contents` is a tokenizer.json; `path` is the published file that it was made from."""

    path: Path
    contents: bytes


def read_tokenizer(network: Path) -> PublishedTokenizer:
    """The tokenizer in a folder: the bytes of its tokenizer.json where no other file overrules it.

    An old directory of the BERT family may hold a vocab.txt instead. `FileMissing` says how to
    make a tokenizer.json where there is neither.
    """
    config = Settings(network / "tokenizer_config.json", optional=True)
    path = network / TOKENIZER
    if path.exists():
        if is_pointer(path):
            raise FileIsPointer(path, "is a Git LFS pointer, not the tokenizer: run `git lfs pull`")
        contents, document = read_file(path), read_json(path, dict)
    elif _is_of_word_pieces(network, config):
        path = network / VOCABULARY
        contents, document = b"", _from_vocabulary(path)
    else:
        raise FileMissing(path, _absent(network))
    wanted = _lowered(_sided(_overruled(document, config), config), network)
    if not contents or wanted != document:
        contents = json.dumps(wanted).encode()
    return PublishedTokenizer(path, contents)


def _is_of_word_pieces(network: Path, config: Settings) -> bool:
    """Whether the vocabulary tells all: that of BERT, and no tokenizer of somebody's own."""
    if not (network / VOCABULARY).exists():
        return False
    network_config = Settings(network / "config.json", optional=True)
    return all(
        settings.get(key, str, known[0]).removesuffix("Fast") in known
        for settings in (network_config, config)
        for key, known in _WORD_PIECES.items()
    )


def _absent(network: Path) -> str:
    return (
        "does not exist. Make it once, with transformers: AutoTokenizer.from_pretrained("
        f"{str(network)!r}).save_pretrained({str(network)!r})"
    )


def _from_vocabulary(path: Path) -> _Document:
    """A token in each line; settings as in the first BERT, for other files to overrule."""
    try:
        lines = read_file(path).decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise FileDamaged(path, f"is not UTF-8: {error}") from error
    vocabulary = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
    if missing := [mark for mark in _MARKS if mark not in vocabulary]:
        raise FileDamaged(path, f"is no vocabulary of BERT: it lacks {', '.join(missing)}")
    tokenizer = BertWordPieceTokenizer(vocabulary)
    document: _Document = json.loads(tokenizer.to_str())
    return document


def _overruled(document: _Document, config: Settings) -> _Document:
    """With what tokenizer_config.json says of letters and spaces, to the parts that know it."""
    if config.get("tokenizer_class", str, "") in _PLAIN:
        return document
    for part, kind, names in _PARTS:
        found = document.get(part)
        if isinstance(found, dict) and found.get("type") == kind:
            stated = {
                field: config.get(name, bool, found.get(field)) for field, name in names.items()
            }
            document = document | {part: found | stated}
    return document


def _sided(document: _Document, config: Settings) -> _Document:
    """The side on which long texts are cut."""
    stated = document.get("truncation")
    truncation = stated if isinstance(stated, dict) else _TRUNCATION
    side = config.get("truncation_side", str, "").capitalize()
    if side in ("", truncation.get("direction", "Right")):
        return document
    if side not in ("Left", "Right"):
        raise UnsupportedModel(f"{config.path}: truncation_side {side!r} is neither left nor right")
    return document | {"truncation": truncation | {"direction": side}}


def _lowered(document: _Document, network: Path) -> _Document:
    """With small letters before all else, where the limits of sentence-transformers ask for it."""
    if not read_limits(network).get("do_lower_case", bool, False):
        return document
    normalizer = document.get("normalizer")
    parts = [{"type": "Lowercase"}, *([normalizer] if normalizer else [])]
    return document | {"normalizer": {"type": "Sequence", "normalizers": parts}}
