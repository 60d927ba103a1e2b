"""`stepwell config reference`: every setting with its meaning, unit and default."""

import json

import pytest

from stepwell.streams.settings_catalog import catalog

SETTINGS = [setting.path for setting in catalog()]


@pytest.fixture
def listed(stepwell):
    found = json.loads(stepwell("config", "reference", "--json").stdout)
    return {entry["setting"]: entry for entry in found}


@pytest.fixture
def lines(stepwell):
    """The cells of each row, by the setting."""
    shown = stepwell("config", "reference").stdout.replace("\\|", "/")
    rows = [line.split(" | ") for line in shown.splitlines() if line.startswith("| `")]
    return {cells[0].strip("|` "): cells for cells in rows}


def test_every_setting_is_there_in_both_forms(listed, lines):
    assert list(listed) == list(lines) == SETTINGS


@pytest.mark.parametrize("setting", catalog(), ids=SETTINGS)
def test_each_setting_has_meaning_unit_default_and_variable(setting, listed, lines):
    entry = listed[setting.path]
    assert len(entry["meaning"]) > len("meaning")
    assert entry["variable"] == setting.variable
    assert (entry["unit"] == "–") == (setting.type != "integer"), "numbers have a unit"
    assert entry["default"]
    assert all(
        entry[name].replace("|", "/") in " ".join(lines[setting.path])
        for name in ("meaning", "type", "unit", "default", "limits", "variable")
    )


@pytest.mark.parametrize(
    ("setting", "unit", "default", "limits"),
    [
        ("worker.commit_interval_ms", "milliseconds", "1000", "1 or more"),
        ("gateway.max_body_bytes", "bytes", "26214400", "1 to 104857600"),
        ("gateway.port", "port", "8400", "1 to 65535"),
        ("kafka.partitions", "count", "8", "1 to 1000"),
        ("kafka.sasl_password", "–", "–", "–"),
        ("model.threads", "count", "–", "1 or more"),
        ("log.level", "–", "info", "–"),
    ],
)
def test_units_defaults_and_limits(listed, setting, unit, default, limits):
    entry = listed[setting]
    assert (entry["unit"], entry["default"], entry["limits"]) == (unit, default, limits)


def test_a_default_below_the_home_directory_is_not_that_of_this_machine(listed):
    assert listed["worker.data_dir"]["default"] == "~/.local/share/stepwell"


def test_what_is_given_here_is_not_part_of_the_reference(stepwell):
    plain = stepwell("config", "reference").stdout
    assert stepwell("config", "reference", STEPWELL_GATEWAY_PORT="9999").stdout == plain


def test_the_keys_of_tables_are_named(listed):
    assert "`signature_header`*" in listed["gateway.signed_sources"]["keys"]
    assert "`title`" in listed["content.documents"]["keys"]


def test_settings_are_checked(stepwell):
    result = stepwell("config", "check", STEPWELL_GATEWAY_PORT="8500")
    assert result.exit_code == 0
    assert "gateway.port: from STEPWELL_GATEWAY_PORT" in result.stdout
    given = json.loads(stepwell("config", "check", "--json", STEPWELL_GATEWAY_PORT="1").stdout)
    assert given == {"ok": True, "given": {"gateway.port": "STEPWELL_GATEWAY_PORT"}, "warnings": []}
    assert stepwell("config", "check", STEPWELL_GATEWAY_PORT="0").exit_code == 2


def test_show_is_what_config_says_by_itself(stepwell):
    assert stepwell("config", "show").stdout == stepwell("config").stdout
