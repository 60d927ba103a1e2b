"""Weights are found in whatever files, under whatever names and in whatever numbers they lie."""

import json
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from stepwell.models.architecture import read_architecture
from stepwell.models.errors import (
    FileDamaged,
    FileIsPointer,
    FileMissing,
    FileOutside,
    MemoryShort,
    UnsupportedModel,
)
from stepwell.models.graph import build_graph
from stepwell.models.model import load_model, open_session
from stepwell.models.reference import reference_vector
from stepwell.models.weights import INDEX, WEIGHTS, fit_one_file, read_weights

TEXTS = ["done", "twice", "done twice", "a longer text, with 42 (words)"]


@pytest.fixture
def vectors(export_tiny):
    """The vectors of what a published directory exports to."""

    def of(source: Path) -> np.ndarray:
        return load_model(export_tiny(source, source.parent / f"{source.name}-made")).vectors(TEXTS)

    return of


def shard(source: Path, *, files: int = 3) -> None:
    """Spreads the weights over several files, as large models are published."""
    tensors = load_file(source / WEIGHTS)
    (source / WEIGHTS).unlink()
    places = {}
    for part in range(files):
        name = f"model-{part + 1:05}-of-{files:05}.safetensors"
        names = sorted(tensors)[part::files]
        save_file({it: tensors[it] for it in names}, source / name)
        places |= dict.fromkeys(names, name)
    (source / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_shards_are_read_as_one(make_source, vectors):
    whole, sharded = make_source("whole"), make_source("sharded")
    shard(sharded)
    assert np.array_equal(vectors(whole), vectors(sharded))


def test_the_manifest_names_every_shard(make_source, export_tiny):
    source = make_source()
    shard(source, files=2)
    manifest = load_model(export_tiny(source, source.parent / "made")).manifest
    names = [it.name for it in manifest.made_from]
    assert names[:2] == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def test_a_shard_that_is_missing_is_named(make_source, vectors):
    source = make_source()
    shard(source)
    (source / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(FileMissing, match=r"model-00002-of-00003.safetensors: is no file"):
        vectors(source)


@pytest.mark.parametrize("place", ["../elsewhere.safetensors", "/etc/passwd", ""])
def test_an_index_that_leads_out_of_the_folder(make_source, vectors, place):
    source = make_source()
    shard(source)
    (source / INDEX).write_text(json.dumps({"weight_map": {"a": place}}))
    with pytest.raises(FileOutside, match="leads out of the folder"):
        vectors(source)


@pytest.mark.parametrize("index", ["[]", "{", '{"weight_map": []}', '{"weight_map": {}}'])
def test_an_index_that_is_none(make_source, vectors, index):
    source = make_source()
    (source / WEIGHTS).unlink()
    (source / INDEX).write_text(index)
    with pytest.raises(FileDamaged, match=INDEX):
        vectors(source)


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_numbers_of_other_widths_are_brought_to_32_bits(make_source, vectors, kind):
    def stored(weights):
        return {name: it.astype(kind) for name, it in weights.items()}

    def rounded(weights):
        return {name: it.astype(kind).astype(np.float32) for name, it in weights.items()}

    stored, rounded = make_source("stored", tensors=stored), make_source("same", tensors=rounded)
    assert np.array_equal(vectors(stored), vectors(rounded))


def test_numbers_of_8_bits_are_refused(make_source, vectors):
    def stored(weights):
        return {name: it.astype(ml_dtypes.float8_e4m3fn) for name, it in weights.items()}

    source = make_source(tensors=stored)
    with pytest.raises(UnsupportedModel, match=r"holds F8_E4M3, expected one of F64, F32, F16, BF"):
        vectors(source)


def test_norms_under_their_old_names(make_source, vectors):
    def old(weights):
        names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, former in names.items():
            weights = {name.replace(new, former): it for name, it in weights.items()}
        return weights

    assert np.array_equal(vectors(make_source("new")), vectors(make_source("old", tensors=old)))


def test_weights_in_the_subfolder_of_an_old_layout(make_source, vectors):
    plain, nested = make_source("plain"), make_source("nested")
    (nested / "0_Transformer").mkdir()
    for name in (WEIGHTS, "config.json", "tokenizer.json", "sentence_bert_config.json"):
        (nested / name).rename(nested / "0_Transformer" / name)
    modules = json.loads((nested / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (nested / "modules.json").write_text(json.dumps(modules))
    assert np.array_equal(vectors(plain), vectors(nested))


def test_links_are_followed_as_the_cache_of_the_hub_needs(make_source, vectors):
    source = make_source()
    (source / WEIGHTS).rename(source.parent / "blob")
    (source / WEIGHTS).symlink_to(source.parent / "blob")
    assert vectors(source).shape == (4, 16)


def test_a_pickle_is_not_read_and_says_what_to_do(make_source, vectors):
    source = make_source()
    (source / WEIGHTS).rename(source / "pytorch_model.bin")
    with pytest.raises(FileMissing, match=r"only a pytorch_model.bin.*convert it to safetensors"):
        vectors(source)


def test_a_pointer_in_place_of_weights(make_source, vectors):
    source = make_source()
    (source / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\n")
    with pytest.raises(FileIsPointer, match=r"Git LFS pointer.*git lfs pull"):
        vectors(source)


def test_weights_larger_than_the_memory_are_refused_before_they_are_read(make_source, vectors):
    source = make_source()
    with (source / WEIGHTS).open("r+b") as file:
        file.truncate(1 << 42)  # 4 TiB of nothing, which takes no room on the disk
    with pytest.raises(MemoryShort, match=r"takes about .* of memory, and .* are available"):
        vectors(source)


def test_a_model_too_large_for_one_file_keeps_its_words_in_16_bits(make_source):
    source = make_source()
    weights = read_weights(source, read_architecture(source))
    half = weights.words.nbytes // 2
    total = sum(it.nbytes for it in load_file(source / WEIGHTS).values())
    assert fit_one_file(weights, total) is weights
    narrow = fit_one_file(weights, total - half)
    assert narrow.words.dtype == np.float16
    assert narrow.layers is weights.layers
    with pytest.raises(UnsupportedModel, match=r"do not fit .* take a smaller model"):
        fit_one_file(weights, total // 2)


def test_words_in_16_bits_give_nearly_the_same_vectors(make_source):
    source = make_source(family="xlm-roberta", size=32)
    architecture = read_architecture(source)
    weights = read_weights(source, architecture)
    narrow = replace(weights, words=weights.words.astype(np.float16))
    session = open_session(build_graph(narrow, architecture), Path("model.onnx"), dimension=32)
    ids = np.arange(20, dtype=np.int32)
    found = session.run(ids[:, None])[0]
    assert np.abs(found - reference_vector(narrow, architecture, ids)).max() < 1e-6
    assert np.abs(found - reference_vector(weights, architecture, ids)).max() < 1e-4
