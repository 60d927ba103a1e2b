"""Replays and re-indexes of earlier, as the command line lists them."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.gateway.replays import ReplayAsk
from stepwell.streams.operator.control import create_instance
from stepwell.streams.operator.earlier import list_reindexes, list_replays, show_replay
from stepwell.streams.operator.queries import ensure_topics
from stepwell.streams.operator.reindexing import start_reindex
from stepwell.streams.operator.replay_desk import open_replays
from stepwell.streams.replay.errors import PlaceNotFound
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        flags = {
            "kafka.bootstrap": broker.address,
            "kafka.partitions": "1",
            "readmodel.dir": str(tmp_path / "readmodel"),
            "worker.data_dir": str(tmp_path / "data"),
            "blobs.dir": str(tmp_path / "blobs"),
        }
        settings = load_settings(flags=flags, environ={}, config=None, directory=tmp_path)
        await ensure_topics(settings)
        yield settings


@pytest.mark.slow
async def test_a_replay_that_was_planned_is_listed_and_is_the_latest(settings):
    assert await list_replays(settings) == []
    with pytest.raises(PlaceNotFound):
        await show_replay(settings, "latest")
    async with open_replays(settings) as desk:
        planned = await desk.plan(ReplayAsk(start="earliest"))
    assert [(it.id, it.status) for it in await list_replays(settings)] == [(planned.id, "planned")]
    assert (await show_replay(settings, "latest")).id == planned.id
    with pytest.raises(PlaceNotFound):
        await show_replay(settings, "r-404")


@pytest.mark.slow
async def test_reindexes_are_listed_but_not_what_only_has_their_name(settings):
    assert await list_reindexes(settings, 10) == []
    line = io.BytesIO(b'{"id": "a", "title": "A", "body": "a"}\n')
    await start_reindex(settings, "docs.jsonl", line, id="r-1", rate=None, prune=False, into=None)
    await create_instance(settings, "reindex", {"no": 1}, instance_id="other", lane="live")
    (found,) = await list_reindexes(settings, 10)
    assert (found.view.instance_id, found.view.source) == ("r-1", "docs.jsonl")
