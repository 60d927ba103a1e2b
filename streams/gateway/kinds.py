"""The kinds of webhooks. Another one is a module with `configured`, and a line here."""

from stepwell.streams.gateway import github, signed, standard_webhooks
from stepwell.streams.gateway.sources import Source, SourcesConfig

KINDS = (github.configured, standard_webhooks.configured, signed.configured)


def make_sources(config: SourcesConfig) -> dict[str, Source]:
    """The sources that are configured, by name; raises `ConfigurationError`."""
    return {name: source for configured in KINDS for name, source in configured(config)}
