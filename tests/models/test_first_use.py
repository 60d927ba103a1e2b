"""Files that nobody pinned are trusted at the first pull, recorded, and held to it ever after."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stepwell.models import PRESETS, pull, verify
from stepwell.models.errors import ModelUnavailable, UnsupportedModel
from stepwell.models.files import pin
from stepwell.models.manifest import read_manifest
from stepwell.models.presets import DESCRIPTION, TOKENIZER, WEIGHTS, Preset


@pytest.fixture
def source(make_source) -> Path:
    return make_source()


@pytest.fixture
def preset(source) -> Preset:
    """A preset whose weights are pinned, and nothing else."""
    return Preset(
        name="tiny",
        dimension=16,
        repository="acme/tiny",
        revision="0123abc",
        files=(pin(source / WEIGHTS),),
        first_use=(TOKENIZER, *DESCRIPTION),
        query_prefix="query: ",
    )


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "models" / "tiny"


def test_what_is_trusted_is_said_and_recorded(preset, source, destination):
    lines: list[str] = []
    pull(preset, destination, source=source, report=lines.append)
    tokenizer = pin(source / TOKENIZER)
    assert f"{TOKENIZER}: sha256 {tokenizer.sha256}, seen for the first time" in lines[1]
    manifest = read_manifest(destination)
    assert manifest.origin == "acme/tiny@0123abc"
    assert {it.name for it in manifest.made_from} == {WEIGHTS, TOKENIZER, *DESCRIPTION}
    assert tokenizer in manifest.made_from
    assert verify(destination).passed


def test_the_directory_says_how_the_model_is_used_and_the_preset_what_it_leaves_out(
    preset, source, destination
):
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    pull(preset, destination, source=source)
    manifest = read_manifest(destination)
    assert (manifest.pooling, manifest.max_tokens) == ("cls", 32)
    assert (manifest.query_prefix, manifest.passage_prefix) == ("query: ", "")


def test_what_is_there_and_intact_is_kept(preset, source, destination):
    pull(preset, destination, source=source)
    lines: list[str] = []
    pull(preset, destination, source=source, report=lines.append)
    assert lines == [f"{destination}: already there"]


def test_another_file_than_the_one_recorded_is_refused(preset, source, destination):
    pull(preset, destination, source=source)
    (destination / "model.onnx").write_bytes(b"damaged")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    with pytest.raises(ModelUnavailable, match=r"config.json: (?:holds|sha256)"):
        pull(preset, destination, source=source)


def test_a_damaged_model_is_made_again_from_the_same_files(preset, source, destination):
    pull(preset, destination, source=source)
    (destination / "model.onnx").write_bytes(b"damaged")
    pull(preset, destination, source=source)
    assert verify(destination).passed


def test_another_revision_is_another_first_time(preset, source, destination):
    pull(preset, destination, source=source)
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    pull(replace(preset, revision="4567def"), destination, source=source)
    assert read_manifest(destination).pooling == "cls"


def test_a_pointer_is_never_trusted(preset, source, destination):
    (source / TOKENIZER).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelUnavailable, match=r"tokenizer.json: is a Git LFS pointer"):
        pull(preset, destination, source=source)
    assert not destination.exists()


def test_the_files_of_another_model_are_not_taken_for_this_one(preset, source, destination):
    with pytest.raises(UnsupportedModel, match=r"vectors of 16 numbers, those of tiny have 768"):
        pull(replace(preset, dimension=768), destination, source=source)
    assert not destination.exists()


def test_a_file_that_is_missing_is_named(preset, source, destination):
    shutil.rmtree(source / "1_Pooling")
    with pytest.raises(ModelUnavailable, match=r"1_Pooling/config.json: No such file"):
        pull(preset, destination, source=source)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_every_preset_is_fixed_by_a_commit_and_needs_all_that_describes_it(preset):
    assert re.fullmatch(r"[0-9a-f]{40}", preset.revision)
    assert all(re.fullmatch(r"[0-9a-f]{64}", it.sha256) for it in preset.files)
    assert len(set(preset.names)) == len(preset.names)
    assert {WEIGHTS, TOKENIZER} <= set(preset.names)
    assert preset.architecture or set(DESCRIPTION) <= set(preset.names)


def test_the_presets_are_these():
    assert set(PRESETS) == {
        "all-MiniLM-L6-v2",
        "bge-small-en-v1.5",
        "bge-base-en-v1.5",
        "bge-large-en-v1.5",
        "bge-m3",
        "e5-small-v2",
        "e5-base-v2",
        "e5-large-v2",
        "multilingual-e5-small",
        "multilingual-e5-base",
        "multilingual-e5-large",
        "gte-small",
        "gte-base",
        "gte-large",
    }
