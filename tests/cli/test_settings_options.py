"""Options that are settings, on every command, before or after its name."""

import json


def test_any_setting_is_an_option(stepwell, app):
    stepwell("worker", "--set", "worker.store=memory", "--set", "kafka.partitions=3")
    assert app.settings.worker.store == "memory"
    assert app.settings.kafka.partitions == 3


def test_the_common_settings_have_options_of_their_own(stepwell, app):
    stepwell("worker", "--bootstrap", "broker:1", "--store", "memory", "--data-dir", "/data")
    assert app.settings.kafka.bootstrap == "broker:1"
    assert app.settings.worker.store == "memory"
    assert str(app.settings.worker.data_dir) == "/data"
    stepwell("gateway", "--host", "::1", "--port", "8500")
    assert (app.settings.gateway.host, app.settings.gateway.port) == ("::1", 8500)


def test_options_may_stand_before_the_command_and_the_later_one_wins(stepwell, app):
    stepwell("--bootstrap", "first:1", "worker")
    assert app.settings.kafka.bootstrap == "first:1"
    stepwell("--bootstrap", "first:1", "worker", "--bootstrap", "second:1")
    assert app.settings.kafka.bootstrap == "second:1"


def test_options_win_over_the_environment_and_that_over_the_file(stepwell, app, tmp_path):
    config = tmp_path / "other.toml"
    config.write_text('[kafka]\nbootstrap = "file:1"\nprefix = "file"\napp_id = "file"\n')
    stepwell(
        "worker",
        "--config",
        str(config),
        "--bootstrap",
        "flag:1",
        STEPWELL_KAFKA_BOOTSTRAP="environment:1",
        STEPWELL_KAFKA_PREFIX="environment",
    )
    kafka = app.settings.kafka
    assert (kafka.bootstrap, kafka.prefix, kafka.app_id) == ("flag:1", "environment", "file")


def test_config_shows_every_value_with_its_origin(stepwell, tmp_path):
    (tmp_path / "stepwell.toml").write_text("[gateway]\nport = 8500\n")
    result = stepwell("config", "--json", "--bootstrap", "b:1", STEPWELL_LOG_LEVEL="debug")
    rows = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(result.stdout)}
    assert rows["gateway.port"] == ("8500", f"{tmp_path}/stepwell.toml:2")
    assert rows["kafka.bootstrap"] == ("b:1", "flag")
    assert rows["log.level"] == ("debug", "STEPWELL_LOG_LEVEL")
    assert rows["log.format"] == ("text", "default")


def test_config_masks_secrets_and_warns_of_weak_ones_on_stderr(stepwell):
    for form in ((), ("--json",)):
        result = stepwell("config", *form, STEPWELL_GATEWAY_TOKEN="changeme")
        assert result.exit_code == 0
        assert "changeme" not in result.output
        assert "********" in result.stdout
        assert result.stderr.startswith("Warning: gateway.token (STEPWELL_GATEWAY_TOKEN) is weak")


def test_a_wrong_setting_ends_with_2_and_says_what_is_allowed(stepwell):
    result = stepwell("config", "--set", "gateway.port=70000")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "Error: gateway.port = '70000' (flag): should be less than or equal to 65535\n"
        "Try: stepwell config reference\n"
    )


def test_a_misspelt_setting_ends_with_2_and_a_suggestion(stepwell):
    result = stepwell("config", "--set", "gatway.port=1")
    assert result.exit_code == 2
    assert "did you mean gateway.port?" in result.stderr


def test_a_set_without_a_value_is_wrong_usage(stepwell):
    result = stepwell("config", "--set", "gateway.port")
    assert result.exit_code == 2
    assert "should be PATH=VALUE" in result.stderr


def test_a_secret_is_not_taken_from_an_option(stepwell):
    result = stepwell("gateway", "--set", "gateway.token=abc")
    assert result.exit_code == 2
    assert "STEPWELL_GATEWAY_TOKEN" in result.stderr
