"""Settings of content: where texts come from, and documents of other producers."""

import pytest

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.fetching import mappings_of
from stepwell.streams.settings_catalog import catalog, shown
from stepwell.streams.settings_load import load_settings


@pytest.fixture
def load(tmp_path):
    def load(toml: str = "", **environ: str):
        (tmp_path / "stepwell.toml").write_text(toml)
        return load_settings(flags={}, environ=environ, directory=tmp_path)

    return load


PRODUCT = """
[content.documents.product]
events = "com.example.product.*"
removed = "com.example.product.deleted"
title = "/data/name"
repo = "shop"
"""


def test_a_table_says_how_events_become_documents(load):
    settings = load(PRODUCT)
    (mapping,) = mappings_of(settings)
    assert (mapping.type, mapping.events) == ("product", "com.example.product.*")
    assert (mapping.id, mapping.updated_at, mapping.title) == ("/subject", "/time", "/data/name")


def test_documents_can_be_given_in_the_environment(load):
    given = '{"order": {"events": "com.example.order.*", "body": "/data/text"}}'
    (mapping,) = mappings_of(load(STEPWELL_CONTENT_DOCUMENTS=given))
    assert (mapping.type, mapping.body) == ("order", "/data/text")


def test_nothing_is_mapped_by_default(load):
    assert mappings_of(load()) == []


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ('[content.documents.issue]\nevents = "x"\ntitle = "/data"', "not issue, milestone"),
        ('[content.documents.Product]\nevents = "x"\ntitle = "/data"', "a-z, 0-9"),
        ('[content.documents.product]\nevents = "x"', "title or body should be a JSON pointer"),
        ('[content.documents.product]\nevents = "x"\ntitle = "/a~b"', "written as ~0"),
        ('[content.documents.product]\ntitle = "/data"', "[Mm]issing|required"),
        ('[content.documents.product]\nevents = "x"\ntitel = "/data"', "[Uu]nexpected|extra"),
        ('[content]\ngithub_api = "api.github.com"', "should be https://"),
        ('[content]\ngithub_api = "https://me:pass@ghe.example"', "without user"),
        ('[content]\ngithub_api = "http://ghe.example/api/v3"', "should begin with https://"),
        ('[content]\ncomments = "yes"', "boolean"),
    ],
)
def test_what_is_wrong_is_refused(load, toml, why):
    with pytest.raises(ConfigurationError, match=why):
        load(toml)


def test_an_api_inside_the_network_is_allowed_in_so_many_words(load):
    toml = '[content]\ngithub_api = "http://ghe.example/api/v3/"\nallow_private = true'
    assert load(toml).content.github_api == "http://ghe.example/api/v3"


def test_a_switch_is_true_or_false(load):
    assert load(STEPWELL_CONTENT_COMMENTS="true").content.comments is True
    (comments,) = [setting for setting in catalog() if setting.path == "content.comments"]
    assert (comments.type, shown(comments.default)) == ("true | false", "false")


def test_the_token_is_a_secret(load):
    token = "ghp_" + "x" * 36
    settings = load(STEPWELL_CONTENT_GITHUB_TOKEN=token)
    assert token not in repr(settings)
    assert settings.content.github_token.get_secret_value() == token
