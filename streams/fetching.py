"""Where workers get content from, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from stepwell.schemas.mapping import DocumentMapping
from stepwell.streams.bindings.http import Http
from stepwell.streams.content.github import GithubSource
from stepwell.streams.content.github_api import GithubApi
from stepwell.streams.content.source import ContentSource, PayloadSource
from stepwell.streams.settings import Settings


@asynccontextmanager
async def open_github_api(settings: Settings) -> AsyncIterator[GithubApi]:
    """GitHub's API; share it, its limits are those of the token."""
    content = settings.content
    token = content.github_token.get_secret_value() if content.github_token else None
    async with Http(private=content.allow_private) as http:
        yield GithubApi(http, content.github_api, token)


def source_of(settings: Settings, api: GithubApi) -> ContentSource:
    """Where `fetch-content` looks."""
    return GithubSource(api) if settings.content.source == "github" else PayloadSource()


def mappings_of(settings: Settings) -> list[DocumentMapping]:
    """How events of other producers become documents."""
    return [
        DocumentMapping(type=type_, **asdict(one))
        for type_, one in settings.content.documents.items()
    ]
