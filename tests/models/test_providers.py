"""What computes is a setting; what is not installed is named, and nothing else computes instead."""

import numpy as np
import onnxruntime
import pytest

from stepwell.models import Embedder
from stepwell.models.errors import ProviderMissing
from stepwell.models.model import load_model
from stepwell.models.runtime import Provider

NATIVE = {"cpu": "CPU", "cuda": "CUDA", "openvino": "OpenVINO"}
THERE = [
    it
    for it in Provider
    if f"{NATIVE[it]}ExecutionProvider" in onnxruntime.get_available_providers()
]
MISSING = [it for it in Provider if it not in THERE]


def test_the_cpu_computes_unless_another_is_named(tiny_model):
    texts = ["done twice", "done"]
    expected = load_model(tiny_model).vectors(texts)
    assert (load_model(tiny_model, provider=Provider.CPU).vectors(texts) == expected).all()


@pytest.mark.parametrize("provider", MISSING)
def test_a_provider_that_is_not_installed_is_refused_with_what_there_is(tiny_model, provider):
    with pytest.raises(ProviderMissing, match=f"'{provider}' cannot be used.* there is: .*cpu"):
        Embedder.load(tiny_model, provider=provider)


@pytest.mark.parametrize("provider", THERE)
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert"])
def test_every_provider_that_is_installed_gives_the_exact_vectors(
    make_source, export_tiny, family, provider
):
    """At every length, together and alone. The exact ones are those of the export's oracle."""
    source = make_source(family=family)
    model = load_model(export_tiny(source, source.parent / "made"), provider=provider)
    test = model.manifest.self_test
    assert np.abs(model.vectors(test.texts) - test.vectors).max() < 1e-5
    texts = [f"{'done ' * (number % 7)}{number}" for number in range(40)]
    alone = np.concatenate([model.vectors([text]) for text in texts])
    assert np.abs(model.vectors(texts) - alone).max() < 1e-5
