"""Secrets come from the environment, from files or TOML, never from flags, and are never shown."""

import pytest

SECRET = "correct horse battery staple"
OTHER = "staple battery horse correct"


def secrets(settings) -> list[str]:
    return [secret.get_secret_value() for secret in settings.gateway.github_secrets]


def test_several_secrets_are_separated_by_commas_in_the_environment(load):
    settings = load(environ={"STEPWELL_GATEWAY_GITHUB_SECRETS": f"{SECRET}, {OTHER}"})
    assert secrets(settings) == [SECRET, OTHER]


def test_a_file_holds_one_secret_on_each_line(load, tmp_path):
    (tmp_path / "secrets").write_text(f"{SECRET}\n{OTHER}\n")
    settings = load(environ={"STEPWELL_GATEWAY_GITHUB_SECRETS_FILE": str(tmp_path / "secrets")})
    assert secrets(settings) == [SECRET, OTHER]
    assert settings.origin("gateway.github_secrets") == "STEPWELL_GATEWAY_GITHUB_SECRETS_FILE"


def test_toml_holds_a_list_of_secrets(load):
    settings = load(f'[gateway]\ngithub_secrets = ["{SECRET}", "{OTHER}\\n"]')
    assert secrets(settings) == [SECRET, OTHER]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_newline_at_the_end_of_a_file_is_not_part_of_a_secret(load, tmp_path, ending):
    (tmp_path / "token").write_text(SECRET + ending, newline="")
    settings = load(environ={"STEPWELL_GATEWAY_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.gateway.token.get_secret_value() == SECRET


@pytest.mark.parametrize("value", ["", " ", "\n", f"{SECRET},"])
def test_an_empty_secret_is_refused(refusal, value):
    assert "a secret should not be empty" in refusal(
        environ={"STEPWELL_GATEWAY_GITHUB_SECRETS": value}
    )


def test_a_secret_is_not_taken_from_a_flag(refusal):
    message = refusal(flags={"gateway.token": SECRET})
    assert "set STEPWELL_GATEWAY_TOKEN or STEPWELL_GATEWAY_TOKEN_FILE" in message
    assert SECRET not in message


def test_a_secret_given_twice_is_refused(refusal, tmp_path):
    message = refusal(
        environ={
            "STEPWELL_GATEWAY_TOKEN": SECRET,
            "STEPWELL_GATEWAY_TOKEN_FILE": str(tmp_path / "token"),
        }
    )
    assert message == "set STEPWELL_GATEWAY_TOKEN or STEPWELL_GATEWAY_TOKEN_FILE, not both"


def test_a_missing_secret_file_is_refused_by_its_variable(refusal, tmp_path):
    message = refusal(environ={"STEPWELL_GATEWAY_TOKEN_FILE": str(tmp_path / "token")})
    assert message.endswith(
        "token (STEPWELL_GATEWAY_TOKEN_FILE) cannot be read: No such file or directory"
    )


def test_a_weak_secret_is_allowed_with_a_warning_that_does_not_show_it(load):
    settings = load(environ={"STEPWELL_GATEWAY_TOKEN": "changeme"})
    assert settings.warnings == (
        "gateway.token (STEPWELL_GATEWAY_TOKEN) is weak: use 16 or more random letters",
    )


def test_a_strong_secret_gives_no_warning(load):
    assert load(environ={"STEPWELL_GATEWAY_TOKEN": SECRET}).warnings == ()


def test_a_secret_is_shown_neither_by_repr_nor_in_an_error(load, refusal):
    assert SECRET not in repr(load(environ={"STEPWELL_GATEWAY_TOKEN": SECRET}))
    assert SECRET not in refusal(toml=f'[gateway]\ngithub_secrets = "{SECRET}"')
