"""What computes is a setting; what is not installed is named, and nothing else computes instead."""

import onnxruntime
import pytest

from stepwell.models import Embedder
from stepwell.models.errors import ProviderMissing
from stepwell.models.model import load_model
from stepwell.models.runtime import Provider


def missing() -> list[Provider]:
    native = {"cpu": "CPU", "cuda": "CUDA", "openvino": "OpenVINO"}
    there = onnxruntime.get_available_providers()
    return [it for it in Provider if f"{native[it]}ExecutionProvider" not in there]


def test_the_cpu_computes_unless_another_is_named(tiny_model):
    texts = ["done twice", "done"]
    expected = load_model(tiny_model).vectors(texts)
    assert (load_model(tiny_model, provider=Provider.CPU).vectors(texts) == expected).all()


@pytest.mark.parametrize("provider", missing())
def test_a_provider_that_is_not_installed_is_refused_with_what_there_is(tiny_model, provider):
    with pytest.raises(ProviderMissing, match=f"'{provider}' cannot be used.* there is: .*cpu"):
        Embedder.load(tiny_model, provider=provider)
