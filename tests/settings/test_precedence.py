"""Flags win over the environment, that over the file, that over defaults; origins are kept."""

from pathlib import Path

import pytest

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings

FILE = '[kafka]\nbootstrap = "file:1"\npartitions = 3\n'


def test_nothing_given_means_defaults(load):
    settings = load()
    assert settings == Settings()
    assert settings.origin("kafka.bootstrap") == "default"


def test_the_file_wins_over_defaults_and_is_named_with_its_line(load, tmp_path):
    settings = load(FILE)
    assert settings.kafka.bootstrap == "file:1"
    assert settings.kafka.partitions == 3
    assert settings.origin("kafka.partitions") == f"{tmp_path}/stepwell.toml:3"


def test_the_environment_wins_over_the_file(load):
    settings = load(FILE, environ={"STEPWELL_KAFKA_BOOTSTRAP": "environment:1"})
    assert settings.kafka.bootstrap == "environment:1"
    assert settings.kafka.partitions == 3
    assert settings.origin("kafka.bootstrap") == "STEPWELL_KAFKA_BOOTSTRAP"


def test_a_flag_wins_over_everything(load):
    settings = load(
        FILE,
        environ={"STEPWELL_KAFKA_BOOTSTRAP": "environment:1"},
        flags={"kafka.bootstrap": "flag:1"},
    )
    assert settings.kafka.bootstrap == "flag:1"
    assert settings.origin("kafka.bootstrap") == "flag"


def test_the_file_may_be_named_by_flag_or_by_variable(tmp_path):
    by_flag, by_variable = tmp_path / "flag.toml", tmp_path / "variable.toml"
    by_flag.write_text("[kafka]\npartitions = 1\n")
    by_variable.write_text("[kafka]\npartitions = 2\n")
    environ = {"STEPWELL_CONFIG": str(by_variable)}

    def partitions(config: Path | None) -> int:
        settings = load_settings(flags={}, environ=environ, config=config, directory=tmp_path)
        return settings.kafka.partitions

    assert partitions(by_flag) == 1
    assert partitions(None) == 2


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing\.toml cannot be read: No such file"):
        load_settings(flags={}, environ={}, config=tmp_path / "missing.toml", directory=tmp_path)


def test_text_becomes_the_type_of_the_setting(load):
    settings = load(
        environ={"STEPWELL_GATEWAY_PORT": "8500"}, flags={"worker.data_dir": "~/somewhere"}
    )
    assert settings.gateway.port == 8500
    assert settings.worker.data_dir == Path("~/somewhere").expanduser()


def test_other_variables_with_our_prefix_are_left_alone(load):
    assert load(environ={"STEPWELL_TEST_REQUIRE": "all", "PATH": "/bin"}) == Settings()
