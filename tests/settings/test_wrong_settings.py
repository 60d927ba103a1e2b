"""Whatever is wrong is refused by name, origin and value, and the message says what is allowed."""

import pytest


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[kafka]\nboostrap = "a:1"', "kafka.boostrap ({file}:2) is not a setting: did you mean"),
        ("[kafak]\npartitions = 1", "kafak ({file}:1) is not a setting: did you mean kafka?"),
        ("[zebra]\nx = 1", "zebra ({file}:1) is not a setting: `stepwell config` lists all"),
        ("kafka = 7", "kafka in {file} should be a table: [kafka]"),
        ('[kafka]\npartitions = "8"', "kafka.partitions = '8' ({file}:2): should be a valid int"),
        ("[gateway]\nport = true", "gateway.port = True ({file}:2): should be a valid integer"),
        ("[kafka]\nprefix = 1\n[kafka]\n", "{file} is not TOML: Cannot declare ('kafka',) twice"),
        ("[kafka", "{file} is not TOML: "),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(refusal, tmp_path, toml, message):
    assert refusal(toml=toml).startswith(message.format(file=tmp_path / "stepwell.toml"))


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("gateway.port", "0", "should be greater than or equal to 1"),
        ("gateway.port", "70000", "should be less than or equal to 65535"),
        ("gateway.port", "http", "should be a valid integer"),
        ("gateway.host", "http://localhost", "should be a host name or an IP address"),
        ("gateway.max_body_bytes", "0", "should be greater than or equal to 1"),
        ("gateway.append_timeout_ms", "0", "should be greater than or equal to 1"),
        ("gateway.on_conflict", "acept", "should be 'accept' or 'refuse'"),
        ("worker.store", "sqlite", "should be 'rocksdb' or 'memory'"),
        ("worker.max_running_steps", "-1", "should be greater than or equal to 1"),
        ("worker.session_timeout_ms", "5 parsecs", "should be a valid integer"),
        ("kafka.bootstrap", "http://broker:9092", "should be host:port"),
        ("kafka.bootstrap", "broker", "should be host:port"),
        ("kafka.bootstrap", "broker:99999", "should be host:port"),
        ("kafka.prefix", "a b", "should be 1 to 100 letters"),
        ("index.url", "127.0.0.1:8080", "should be weaviate://host:port"),
        ("index.url", "weaviate://host:port", "should be weaviate://host:port"),
        ("index.url", "sqlite://folder/index.db", "or sqlite:///path/file.db"),
        ("index.url", "sqlite:", "or sqlite:///path/file.db"),
        ("index.collection", "documents", "should begin with a capital"),
        ("model.id", "", "should have at least 1 character"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(refusal, path, value, allowed):
    assert refusal(flags={path: value}).startswith(f"{path} = {value!r} (flag): ")
    assert allowed in refusal(flags={path: value})


def test_a_wrong_variable_is_refused_by_its_name(refusal):
    message = refusal(environ={"STEPWELL_KAFKA_PARTITIONS": "many"})
    assert message.startswith("kafka.partitions = 'many' (STEPWELL_KAFKA_PARTITIONS): ")


def test_a_misspelt_variable_is_refused_with_a_suggestion(refusal):
    message = refusal(environ={"STEPWELL_KAFKA_BOOSTRAP": "a:1"})
    assert message.endswith("did you mean STEPWELL_KAFKA_BOOTSTRAP?")


def test_an_unknown_flag_is_refused_with_a_suggestion(refusal):
    assert refusal(flags={"kafka.bootstraps": "a:1"}).endswith("did you mean kafka.bootstrap?")


def test_a_variable_that_kubernetes_sets_for_a_service_is_explained(refusal):
    message = refusal(environ={"STEPWELL_GATEWAY_PORT": "tcp://10.0.0.1:80"})
    assert message.endswith("turn off enableServiceLinks")


def test_a_host_that_others_can_reach_needs_a_token(refusal, load):
    assert "needs a token" in refusal(flags={"gateway.host": "0.0.0.0"})
    token = {"STEPWELL_GATEWAY_TOKEN": "long enough to be a token"}
    assert load(flags={"gateway.host": "0.0.0.0"}, environ=token).gateway.host == "0.0.0.0"
    assert load(flags={"gateway.host": "::1"}).gateway.host == "::1"


def test_sasl_needs_a_user_and_a_password(refusal):
    assert "needs kafka.sasl_username" in refusal(flags={"kafka.security_protocol": "SASL_SSL"})


def test_a_file_that_is_not_utf8_is_refused(refusal, tmp_path):
    (tmp_path / "stepwell.toml").write_bytes(b'[kafka]\nprefix = "\xff"')
    assert refusal().endswith("stepwell.toml is not UTF-8 at byte 18")


def test_a_loop_of_links_is_refused(refusal, tmp_path):
    (tmp_path / "stepwell.toml").symlink_to("stepwell.toml")
    assert "stepwell.toml cannot be read: Too many levels of symbolic links" in refusal()


def test_a_directory_instead_of_a_file_is_refused(refusal, tmp_path):
    (tmp_path / "stepwell.toml").mkdir()
    assert "stepwell.toml cannot be read: Is a directory" in refusal()
