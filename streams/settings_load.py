"""Loads the settings: flags win over the environment, that over the TOML file, that over defaults.

Whatever is wrong is a `ConfigurationError` that names the setting, where its value came from, the
value (never a secret's) and what is allowed.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import orjson
from pydantic import SecretStr, ValidationError

from stepwell.streams.errors import ConfigurationError
from stepwell.streams.settings import Settings, is_loopback
from stepwell.streams.settings_catalog import MASK, PREFIX, Setting, catalog, sections
from stepwell.streams.settings_sources import Given, from_environment, from_file, from_flags

CONFIG_NAME = "stepwell.toml"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
SECRET_LENGTH = 16
"""A shorter secret is called weak."""


def load_settings(
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    config: Path | None = None,
    directory: Path,
) -> Settings:
    """The settings of this process.

    `flags` is by path (`kafka.bootstrap`). The file is `config`, else `STEPWELL_CONFIG`, else
    `stepwell.toml` in `directory` if there is one.
    """
    path = _config_path(config, environ, directory)
    given = {
        **(from_file(path) if path else {}),
        **from_environment(environ),
        **from_flags(flags),
    }
    by_section: dict[str, dict[str, object]] = {section: {} for section in sections()}
    warnings = []
    for setting in catalog():
        if entry := given.get(setting.path):
            value = _parse(setting, entry)
            by_section[setting.section][setting.name] = value
            warnings += _warnings(setting, entry, value)
    settings = Settings(
        **{section: record(**by_section[section]) for section, record in sections().items()},
        origins=MappingProxyType({path: entry.origin for path, entry in given.items()}),
        warnings=tuple(warnings),
    )
    _check_together(settings)
    return settings


def _config_path(config: Path | None, environ: Mapping[str, str], directory: Path) -> Path | None:
    if config:
        return config
    if CONFIG_VARIABLE in environ:
        return Path(environ[CONFIG_VARIABLE])
    usual = directory / CONFIG_NAME
    return usual if usual.exists() or usual.is_symlink() else None


def _parse(setting: Setting, given: Given) -> object:
    value = _trimmed(given.value) if setting.secret else given.value
    try:
        if given.typed:  # strict as JSON is: a list may become a tuple, a text not a number
            parsed = setting.adapter.validate_json(orjson.dumps(value), strict=True)
        elif setting.type == "tables":
            parsed = setting.adapter.validate_json(str(value))
        else:
            parsed = setting.adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) if setting.type == "tables" else ""
        reason = first["msg"].removeprefix("Value error, ")
        raise _refusal(setting, given, f"{place}: {reason}" if place else reason) from None
    if not all(secret.strip() for secret in _secrets(parsed)):
        raise _refusal(setting, given, "a secret should not be empty")
    return parsed


def _trimmed(value: object) -> object:
    """Without the one newline at the end that editors and `echo` leave in files."""
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    return value.removesuffix("\n").removesuffix("\r") if isinstance(value, str) else value


def _secrets(value: object) -> list[str]:
    values = value if isinstance(value, tuple) else (value,)
    return [item.get_secret_value() for item in values if isinstance(item, SecretStr)]


def _warnings(setting: Setting, given: Given, value: object) -> list[str]:
    if all(len(secret) >= SECRET_LENGTH for secret in _secrets(value)):
        return []
    return [f"{setting.path} ({given.origin}) is weak: use {SECRET_LENGTH} or more random letters"]


def _refusal(setting: Setting, given: Given, reason: str) -> ConfigurationError:
    value = MASK if setting.secret else given.value
    allowed = reason.replace("Input should", "should")
    hint = ""
    if str(value).startswith("tcp://"):
        hint = "; Kubernetes sets such variables for services: turn off enableServiceLinks"
    return ConfigurationError(f"{setting.path} = {value!r} ({given.origin}): {allowed}{hint}")


def _check_together(settings: Settings) -> None:
    """Rules about more than one setting."""
    kafka = settings.kafka
    for section, own in (("gateway", settings.gateway), ("metrics", settings.metrics)):
        if not is_loopback(own.host) and not own.token:
            raise ConfigurationError(
                f"{section}.host = {own.host!r} ({settings.origin(f'{section}.host')}) is reachable"
                f" from other machines and needs a token: set STEPWELL_{section.upper()}_TOKEN"
            )
    content = settings.content
    if content.github_api.startswith("http:") and not content.allow_private:
        raise ConfigurationError(
            f"content.github_api = {content.github_api!r}"
            f" ({settings.origin('content.github_api')}) should begin with https://; inside your"
            " network may do without when content.allow_private is true"
        )
    if kafka.security_protocol.startswith("SASL") and not (
        kafka.sasl_username and kafka.sasl_password
    ):
        raise ConfigurationError(
            f"kafka.security_protocol = {kafka.security_protocol!r}"
            f" ({settings.origin('kafka.security_protocol')}) needs kafka.sasl_username and"
            " kafka.sasl_password (STEPWELL_KAFKA_SASL_PASSWORD)"
        )
