"""Measures a model directory against reference vectors, and batches against single texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stepwell.models.arrays import Vectors
from stepwell.models.model import agreement, load_model


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The figures of a verification."""

    model_id: str
    dimension: int
    texts: int
    texts_truncated: int
    max_abs_diff: float
    min_cosine: float
    batched_equals_alone: bool
    """Bitwise."""

    close: bool
    """Whether the vectors are those of the reference but for rounding."""

    @property
    def passed(self) -> bool:
        """Whether the model may be used."""
        return self.close and self.batched_equals_alone


def verify(directory: Path, reference: tuple[Sequence[str], Vectors] | None = None) -> VerifyReport:
    """Embeds the reference's texts, batched and one by one, and compares.

    Without a reference, the texts and vectors of the manifest's self-test are used. A directory
    that cannot be loaded raises as `load_model` does.
    """
    model = load_model(directory)
    test = model.manifest.self_test
    texts, expected = reference or (test.texts, test.vectors)
    batched = model.vectors(texts)
    alone = np.concatenate([model.vectors([text]) for text in texts])
    found = agreement(batched, expected)
    return VerifyReport(
        model_id=model.manifest.model_id,
        dimension=model.manifest.dimension,
        texts=len(texts),
        texts_truncated=sum(tokens.truncated for tokens in model.tokenise(texts)),
        max_abs_diff=found.max_abs_diff,
        min_cosine=found.min_cosine,
        batched_equals_alone=bool(np.array_equal(batched, alone)),
        close=found.close,
    )
