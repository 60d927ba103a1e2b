"""all-MiniLM-L6-v2 in 8 bits, on texts that it was not fitted to. Takes a minute or two."""

import json
import shutil

import numpy as np
import pytest

from stepwell.models import verify
from stepwell.models.int8 import quantise

pytestmark = pytest.mark.model


def test_its_vectors_and_their_neighbours_are_near_to_those_of_the_reference(
    real_model, shared_data, tmp_path
):
    directory = tmp_path / "model"
    shutil.copytree(real_model, directory)
    quantise(directory)
    folder = shared_data / "reference"
    texts = json.loads((folder / "texts.json").read_text())
    report = verify(directory, (texts, np.load(folder / "vectors.npy")))
    if report.int8 != "usable":
        pytest.skip(report.int8)
    assert report.int8_mean_cosine >= 0.999
    assert report.int8_min_cosine >= 0.98
    assert report.int8_neighbours_kept >= 0.97
    assert report.int8_batched_equals_alone
    assert report.passed
