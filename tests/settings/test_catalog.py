"""Every setting is listed with what documentation needs."""

from dataclasses import fields, is_dataclass

from stepwell.streams.settings import Settings
from stepwell.streams.settings_catalog import catalog, shown


def test_every_field_of_the_tree_is_listed_once():
    tree = Settings()
    paths = [
        f"{section.name}.{field.name}"
        for section in fields(tree)
        if is_dataclass(record := getattr(tree, section.name))
        for field in fields(record)
    ]
    assert [setting.path for setting in catalog()] == paths


def test_every_setting_has_a_help_text_a_type_and_a_variable():
    for setting in catalog():
        assert setting.help
        assert setting.type
        assert setting.variable.startswith("STEPWELL_")
    assert len({setting.variable for setting in catalog()}) == len(catalog())


def test_every_default_is_allowed():
    for setting in catalog():
        assert setting.adapter.validate_python(setting.default) == setting.default


def test_types_are_words_for_people():
    types = {setting.path: setting.type for setting in catalog()}
    assert types["gateway.port"] == "integer"
    assert types["worker.store"] == "rocksdb | memory"
    assert types["worker.data_dir"] == "path"
    assert types["gateway.token"] == "secret"
    assert types["gateway.github_secrets"] == "secrets"
    assert types["kafka.sasl_username"] == "text"


def test_secrets_are_masked_when_shown(load):
    settings = load(environ={"STEPWELL_GATEWAY_GITHUB_SECRETS": "one secret,another secret"})
    assert shown(settings.gateway.github_secrets) == "********,********"
    assert shown(None) == ""
    assert shown(8) == "8"
