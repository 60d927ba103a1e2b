"""The workflows of a default worker, bound as the settings say."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from stepwell.streams.content.github import GithubSource
from stepwell.streams.content.source import PayloadSource
from stepwell.streams.default_workflows import embed_content
from stepwell.streams.examples.embed_content import ContentChanged, EmbedContent
from stepwell.streams.settings import (
    ContentSettings,
    DocumentSettings,
    IndexSettings,
    ModelSettings,
    Settings,
)
from stepwell.streams.testing import WorkflowTest
from tests.content.test_github_content import ANSWER, ISSUE
from tests.models.tiny import pulled


@pytest.fixture
def settings(tmp_path, monkeypatch, github):
    monkeypatch.setenv("STEPWELL_CACHE", str(tmp_path))
    pulled(tmp_path, "small", 16)
    return Settings(
        index=IndexSettings(url=f"sqlite://{tmp_path}/index.db"),
        model=ModelSettings(id="small", threads=1),
        content=ContentSettings(
            source="github",
            github_api=github.url,
            github_token=SecretStr("ghp_a-secret-token"),
            allow_private=True,
        ),
    )


async def test_issues_are_fetched_from_github_when_the_settings_say_so(settings, github):
    github.says("/repos/acme/site/issues/42", ANSWER)
    async with embed_content(settings) as workflows:
        env = workflows.create(EmbedContent.name).env
        assert isinstance(env.source, GithubSource)
        async with WorkflowTest(EmbedContent, env=env) as test:
            handle = await test.start(EmbedContent, ContentChanged(ISSUE, removed=False))
            assert (await handle.result()).outcome == "stored"
            assert handle.steps[0].output["title"] == "Login fails on Safari"
    assert github.calls[0][1]["Authorization"] == "Bearer ghp_a-secret-token"


async def test_nothing_is_fetched_and_no_comment_looked_for_otherwise(settings):
    async with embed_content(replace(settings, content=ContentSettings())) as workflows:
        env = workflows.create(EmbedContent.name).env
        assert isinstance(env.source, PayloadSource)
        assert env.stored_under is None
        assert workflows.create("embed-document") is None


async def test_configured_documents_have_a_workflow_of_their_own(settings):
    product = DocumentSettings(events="com.example.product.*", title="/data/name")
    content = ContentSettings(documents={"product": product})
    async with embed_content(replace(settings, content=content)) as workflows:
        triggers = [types for name, trigger in workflows.triggers() for types in trigger.types]
        assert "com.example.product.*" in triggers
        assert workflows.create("embed-document") is not None
