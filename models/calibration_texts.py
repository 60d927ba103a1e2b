"""What a model is calibrated with: always at hand, the same on every run of one Python.

Docstrings of Python's own library, whole and as their first words, and sequences of tokens drawn
at random: alone they would miss what odd texts do to an encoder.
"""

import ast
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stepwell.models.arrays import Ids
from stepwell.models.tokenization import Tokenizer

_SEED = 7
_WHOLE_TOKENS_MAX = 26_000
_BEGINNINGS = 250
_BEGINNING_WORDS_MAX = 8
_RANDOM = 40
_RANDOM_TOKENS_MAX = 60
_REPEATED = 40
_NOT_PROSE = {"test", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}


def calibration_ids(
    texts: Sequence[str], tokenizer: Tokenizer, *, vocabulary_size: int, max_tokens: int
) -> list[Ids]:
    """Token ids of texts, as many as are useful, and of sequences drawn at random."""
    random = np.random.default_rng(_SEED)
    sequences: list[Ids] = []
    tokens = 0
    for text in texts:
        if tokens >= _WHOLE_TOKENS_MAX:
            break
        sequences += [it.ids for it in tokenizer.encode([text])]
        tokens += len(sequences[-1])
    beginnings = [
        " ".join(text.split()[: random.integers(1, _BEGINNING_WORDS_MAX + 1)])
        for text in texts[-_BEGINNINGS:]
    ]
    sequences += [it.ids for it in tokenizer.encode(beginnings)]
    first, *_, last = sequences[0]
    drawn = [
        random.integers(0, vocabulary_size, random.integers(1, _RANDOM_TOKENS_MAX + 1))
        for _ in range(_RANDOM)
    ]
    drawn += [
        np.repeat(random.integers(0, vocabulary_size, 1), random.integers(1, max_tokens))
        for _ in range(_REPEATED)
    ]
    sequences += [np.array([first, *ids[: max_tokens - 2], last], dtype=np.int32) for ids in drawn]
    return sequences


def docstrings() -> list[str]:
    """Those of Python's own library, some thousands, in a random but fixed order."""
    texts = list(dict.fromkeys(_docstrings(Path(sysconfig.get_path("stdlib")))))
    order = np.random.default_rng(_SEED).permutation(len(texts))
    return [texts[position] for position in order]


def _docstrings(library: Path) -> Iterator[str]:
    for path in [*sorted(library.glob("*.py")), *sorted(library.glob("*/*.py"))]:
        if _NOT_PROSE.isdisjoint(path.relative_to(library).parts):
            yield from _docstrings_of(path)


def _docstrings_of(path: Path) -> Iterator[str]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # another file does as well
    for node in ast.walk(tree):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield text
