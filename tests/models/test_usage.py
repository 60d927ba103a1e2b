"""Limits, prefixes, pooling and layout are read from the directory, as its makers left them."""

import json
from pathlib import Path

import pytest

from stepwell.models.architecture import read_architecture, settings_files
from stepwell.models.errors import FileOutside, UnsupportedModel


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("settings", "query", "passage"),
    [
        ({}, "", ""),
        ({"prompts": {}, "default_prompt_name": None}, "", ""),
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, "query: ", "passage: "),
        ({"prompts": {"query": "Q: ", "document": "D: "}}, "Q: ", "D: "),
        ({"prompts": {"query": "", "document": "", "passage": "P: "}}, "", "P: "),
        ({"prompts": {"any": "A: "}, "default_prompt_name": "any"}, "A: ", "A: "),
        ({"prompts": {"query": "Q: "}, "default_prompt_name": "query"}, "Q: ", "Q: "),
        (
            {"prompts": {"query": "Q: ", "document": ""}, "default_prompt_name": "query"},
            "Q: ",
            "",
        ),
        ({"prompts": {"query": None, "document": None}}, "", ""),
        (
            {"prompts": {"query": None, "any": "A: "}, "default_prompt_name": "any"},
            "",
            "A: ",
        ),
    ],
)
def test_prefixes(make_source, settings, query, passage):
    source = make_source()
    write(source / "config_sentence_transformers.json", settings)
    architecture = read_architecture(source)
    assert (architecture.query_prefix, architecture.passage_prefix) == (query, passage)


@pytest.mark.parametrize("prompt", [7, ["Q: "], {"text": "Q: "}])
def test_a_prompt_that_is_no_text(make_source, prompt):
    source = make_source()
    write(source / "config_sentence_transformers.json", {"prompts": {"query": prompt}})
    with pytest.raises(UnsupportedModel, match=r"prompt 'query' is .*, str expected"):
        read_architecture(source)


def test_prompts_that_are_left_out_of_the_pooling(make_source):
    source = make_source(pooling={"pooling_mode_mean_tokens": True, "include_prompt": False})
    assert read_architecture(source).query_prefix == ""
    write(source / "config_sentence_transformers.json", {"prompts": {"query": "Q: "}})
    with pytest.raises(UnsupportedModel, match="prompts that are not pooled are not supported"):
        read_architecture(source)


@pytest.mark.parametrize(
    ("limits", "tokenizer", "expected"),
    [
        ({"max_seq_length": 12}, {}, 12),
        ({"max_seq_length": 999}, {}, 40),
        ({"max_seq_length": None}, {"model_max_length": 20}, 20),
        ({}, {"model_max_length": 10**30}, 40),
        ({}, {"model_max_length": 1e30}, 40),
        ({"max_seq_length": 12.0}, {}, 12),
        ({}, {}, 40),
    ],
)
def test_the_limit_of_tokens(make_source, limits, tokenizer, expected):
    source = make_source()
    write(source / "sentence_bert_config.json", limits)
    write(source / "tokenizer_config.json", tokenizer)
    assert read_architecture(source).max_tokens == expected


def test_a_whole_number_where_others_are_usual(make_source):
    assert read_architecture(make_source(config={"layer_norm_eps": 0})).layer_norm_eps == 0.0


def test_a_pooling_that_nobody_states_is_by_mean(make_source):
    source = make_source(pooling={"word_embedding_dimension": 16})
    assert read_architecture(source).pooling == "mean"


def test_a_pooling_without_the_list_of_modules(make_source):
    source = make_source(pooling={"pooling_mode_cls_token": True})
    (source / "modules.json").unlink()
    assert read_architecture(source).pooling == "cls"
    assert "1_Pooling/config.json" in settings_files(source)
    (source / "1_Pooling" / "config.json").unlink()
    assert read_architecture(source).pooling == "mean"


def test_the_limit_under_the_name_of_another_family(make_source):
    source = make_source(family="xlm-roberta")
    (source / "sentence_bert_config.json").rename(source / "sentence_xlm-roberta_config.json")
    assert read_architecture(source).max_tokens == 32


def test_positions_that_follow_the_padding_leave_room_for_fewer_tokens(make_source):
    source = make_source(family="roberta", config={"pad_token_id": 3})
    (source / "sentence_bert_config.json").unlink()
    architecture = read_architecture(source)
    assert (architecture.position_offset, architecture.max_tokens) == (4, 36)


def test_a_padding_that_nobody_states_is_that_of_the_family(make_source):
    source = make_source(family="camembert", config={"pad_token_id": None})
    assert read_architecture(source).position_offset == 2


def test_newer_names_of_modules(make_source):
    source = make_source()
    kinds = {"modules.Transformer": "", "modules.Pooling": "1_Pooling"}
    modules = [{"type": f"sentence_transformers.base.{k}", "path": p} for k, p in kinds.items()]
    write(source / "modules.json", modules)
    assert not read_architecture(source).normalised


@pytest.mark.parametrize("path", ["../secrets", "/etc"])
def test_a_module_that_leads_out_of_the_folder(make_source, path):
    source = make_source()
    folders = {"Transformer": "", "Pooling": path}
    modules = [{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in folders.items()]
    write(source / "modules.json", modules)
    with pytest.raises(FileOutside, match="leads out of the folder"):
        read_architecture(source)


def test_the_files_that_describe_a_model_are_known(make_source):
    assert settings_files(make_source()) == [
        "modules.json",
        "config.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    ]
