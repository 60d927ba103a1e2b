"""Signed sources are tables in the file, or JSON elsewhere; their secrets are apart."""

import json

import pytest

from stepwell.streams.settings import SignedSourceSettings
from stepwell.streams.settings_catalog import catalog, shown

TOML = """
[gateway]
signed_secrets = ["shop:0123456789abcdef"]

[gateway.signed_sources.shop]
signature_header = "X-Shop-Signature"
id = "header:X-Shop-Id"
type = "/event"
"""
SHOP = SignedSourceSettings("X-Shop-Signature", id="header:X-Shop-Id", type="/event")
GIVEN = {"signature_header": "X-Shop-Signature", "id": "header:X-Shop-Id", "type": "/event"}


def test_a_table_in_the_file_describes_a_source(load):
    gateway = load(TOML).gateway
    assert gateway.signed_sources == {"shop": SHOP}
    assert [secret.get_secret_value() for secret in gateway.signed_secrets] == [
        "shop:0123456789abcdef"
    ]


def test_the_environment_and_flags_give_them_in_json(load):
    text = json.dumps({"shop": GIVEN})
    by_variable = load(environ={"STEPWELL_GATEWAY_SIGNED_SOURCES": text})
    by_flag = load(flags={"gateway.signed_sources": text})
    assert by_variable.gateway == by_flag.gateway
    assert by_flag.gateway.signed_sources == {"shop": SHOP}


def test_they_are_shown_as_json(load):
    shown_text = shown(load(TOML).gateway.signed_sources)
    assert json.loads(shown_text)["shop"]["signature_header"] == "X-Shop-Signature"
    types = {setting.path: setting.type for setting in catalog()}
    assert types["gateway.signed_sources"] == "tables"


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("shop", {"colour": "red"}, "shop.colour: "),
        ("shop", {"signature_header": "X Shop"}, "HTTP header"),
        ("shop", {"id": "header:X Shop"}, "HTTP header"),
        ("shop", {"id": "order"}, "id should be header:NAME or a JSON pointer"),
        ("shop", {"encoding": "rot13"}, "shop.encoding: should be 'hex' or 'base64'"),
        ("shop", {"signed": "{timestamp}:{body}"}, "timestamp_header"),
        ("shop", {"timestamp_header": "X-Time"}, "{timestamp}"),
        ("shop", {"signed": "v0"}, "{body}"),
        ("github", {}, "not events, github, standard"),
        ("The Shop", {}, "a-z"),
    ],
)
def test_what_is_wrong_is_named(refusal, name, change, named):
    text = json.dumps({name: GIVEN | change})
    message = refusal(environ={"STEPWELL_GATEWAY_SIGNED_SOURCES": text})
    assert "gateway.signed_sources" in message
    assert named in message
