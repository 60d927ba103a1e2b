"""A model that cannot be exported right is not exported; the message names what and where."""

import json

import numpy as np
import pytest

from stepwell.models.architecture import read_architecture
from stepwell.models.errors import FileDamaged, FileMissing, UnsupportedModel


def unsupported(call, match: str) -> None:
    with pytest.raises(UnsupportedModel, match=match):
        call()


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"model_type": "t5"}, r"config.json: model_type 't5' is not among bert, distilbert"),
        ({"model_type": "mpnet"}, r"model_type 'mpnet' .* `stepwell model export --onnx FILE`"),
        ({"model_type": "modernbert"}, r"model_type 'modernbert' is not among"),
        ({"is_decoder": True}, r"is_decoder is on, only encoders are supported"),
        ({"type_vocab_size": "2"}, r"type_vocab_size is '2', int expected"),
        ({"model_type": None}, r"config.json: model_type is missing"),
        ({"hidden_act": "mish"}, r"config.json: activation 'mish' is not among gelu"),
        ({"num_hidden_layers": True}, r"num_hidden_layers is True, int expected"),
        ({"num_hidden_layers": 2.5}, r"num_hidden_layers is 2.5, int expected"),
        ({"position_embedding_type": "relative_key"}, r"only absolute position embeddings"),
        ({"num_hidden_layers": "two"}, r"num_hidden_layers is 'two', int expected"),
    ],
)
def test_a_setting_that_is_not_known(make_source, config, match):
    source = make_source(config=config)
    unsupported(lambda: read_architecture(source), match)


@pytest.mark.parametrize(
    "flags",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": "lasttoken"},
        {"pooling_mode_mean_tokens": False},
    ],
)
def test_another_pooling_than_mean_or_cls(make_source, flags):
    source = make_source(pooling=flags)
    unsupported(lambda: read_architecture(source), r"only mean or CLS")


def test_a_layer_after_the_pooling(make_source):
    source = make_source()
    dense = [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]
    (source / "modules.json").write_text(json.dumps(dense))
    unsupported(lambda: read_architecture(source), r"module Dense is not supported")


MODULE = "sentence_transformers.models."


@pytest.mark.parametrize(
    ("kinds", "match"),
    [
        (["Transformer", "Normalize", "Pooling"], r"are Transformer, Normalize, Pooling; only"),
        (["Transformer", "Normalize"], r"the modules are Transformer, Normalize; only"),
        (["Transformer", "Pooling", "Pooling"], r"in this order"),
        ([], r"modules.json: the modules are none; only Transformer, Pooling"),
    ],
)
def test_modules_in_another_order(make_source, kinds, match):
    source = make_source()
    modules = [{"type": MODULE + kind, "path": kind} for kind in kinds]
    (source / "modules.json").write_text(json.dumps(modules))
    unsupported(lambda: read_architecture(source), match)


@pytest.mark.parametrize(
    ("module", "match"),
    [
        ({"type": "custom_st.Transformer", "path": ""}, r"custom_st.Transformer is code of its"),
        ({"type": MODULE + "Transformer"}, r"is no module: it has no type or path"),
        ({"type": MODULE + "Transformer", "path": None}, r"is no module"),
        ("Transformer", r"'Transformer' is no module"),
    ],
)
def test_a_module_that_cannot_be_read(make_source, module, match):
    source = make_source()
    modules = json.loads((source / "modules.json").read_text())
    (source / "modules.json").write_text(json.dumps([module, *modules[1:]]))
    unsupported(lambda: read_architecture(source), match)


@pytest.mark.parametrize("key", ["module_input_name", "module_output_name"])
def test_a_normalisation_of_anything_but_the_vector_of_the_text(make_source, key):
    source = make_source()
    (source / "2_Normalize").mkdir()
    settings = source / "2_Normalize" / "config.json"
    settings.write_text(json.dumps({key: "sentence_embedding"}))
    assert read_architecture(source).normalised
    settings.write_text(json.dumps({key: "token_embeddings"}))
    unsupported(lambda: read_architecture(source), rf"{key} 'token_embeddings' is not supported")


def test_vectors_that_are_cut(make_source):
    source = make_source()
    settings = source / "config_sentence_transformers.json"
    settings.write_text('{"truncate_dim": null}')
    read_architecture(source)
    settings.write_text('{"truncate_dim": 8}')
    unsupported(lambda: read_architecture(source), r"truncate_dim is not supported")


@pytest.mark.parametrize(
    "setting", [{"config_args": {"hidden_act": "relu"}}, {"query_length": 8, "max_seq_length": 9}]
)
def test_settings_that_overrule_others(make_source, setting):
    source = make_source()
    (source / "sentence_bert_config.json").write_text('{"config_args": {}, "query_length": null}')
    read_architecture(source)
    (source / "sentence_bert_config.json").write_text(json.dumps(setting))
    unsupported(lambda: read_architecture(source), rf"{next(iter(setting))} is not supported")


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_that_leaves_nothing_of_a_text(make_source, export_tiny, limit):
    source = make_source()
    settings = source / "sentence_bert_config.json"
    settings.write_text(json.dumps({"max_seq_length": limit}))
    unsupported(
        lambda: export_tiny(source, source.parent / "model"),
        rf"puts 2 tokens around each text, so a limit of {limit} leaves nothing of it: raise",
    )
    settings.write_text(json.dumps({"max_seq_length": 3}))
    export_tiny(source, source.parent / "model")


def test_token_types_that_the_config_promises(make_source, export_tiny):
    def without(weights):
        del weights["embeddings.token_type_embeddings.weight"]
        return weights

    source = make_source(tensors=without)
    unsupported(
        lambda: export_tiny(source, source.parent / "model"),
        r"tensor embeddings.token_type_embeddings.weight is missing: .*\"type_vocab_size\": 0",
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"config": {"num_hidden_layers": 3}},
            r"encoder.layer.2.intermediate.dense.weight is miss",
        ),
        ({"config": {"hidden_size": 20}}, r"has shape \(40, 16\), expected \(-1, 20\)"),
        ({"config": {"num_attention_heads": 3}}, r"3 heads do not divide 16 channels"),
        ({"config": {"num_attention_heads": 0}}, r"0 heads do not divide 16 channels"),
        ({"config": {"max_position_embeddings": 0}}, r"a limit of 0 tokens leaves no text"),
        ({"config": {"max_position_embeddings": 90}, "limit": 80}, r"40 position embeddings"),
    ],
)
def test_weights_that_do_not_fit_the_config(make_source, export_tiny, change, match):
    limit = change.pop("limit", None)
    source = make_source(**change)
    if limit:
        (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    unsupported(lambda: export_tiny(source, source.parent / "model"), match)


def test_weights_of_another_kind_of_number(make_source, export_tiny):
    def quantised(weights):
        return {name: it.astype(np.int8) for name, it in weights.items()}

    source = make_source(tensors=quantised)
    unsupported(
        lambda: export_tiny(source, source.parent / "model"),
        r"position_embeddings.weight holds I8, expected one of F64, F32, F16",
    )


def test_a_tokenizer_of_another_model(make_source, export_tiny):
    def fewer_words(weights):
        name = "embeddings.word_embeddings.weight"
        return weights | {name: np.ascontiguousarray(weights[name][:50])}

    source = make_source(tensors=fewer_words)
    unsupported(lambda: export_tiny(source, source.parent / "model"), r"they are not of one model")


@pytest.mark.parametrize("contents", [b"", b"\x08" * 99])
def test_weights_that_cannot_be_parsed(make_source, export_tiny, contents):
    source = make_source()
    (source / "model.safetensors").write_bytes(contents)
    with pytest.raises(FileDamaged, match="no intact safetensors file"):
        export_tiny(source, source.parent / "model")


def test_weights_that_are_not_there(make_source, export_tiny):
    source = make_source()
    (source / "model.safetensors").unlink()
    with pytest.raises(FileMissing, match=r"model.safetensors: is no file"):
        export_tiny(source, source.parent / "model")


def test_a_config_that_is_no_json(make_source):
    source = make_source()
    (source / "config.json").write_text("{")
    with pytest.raises(FileDamaged, match=r"config.json: is not JSON"):
        read_architecture(source)
