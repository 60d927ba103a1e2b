"""The file of a journal: found again by the next command, shared by processes, done without."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import ReadModelUnavailable
from stepwell.streams.operator.control import create_instance, open_control
from stepwell.streams.operator.queries import ensure_topics, list_instances, read_ledger
from stepwell.streams.operator.reading import follow_journal, read_model_path
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings


def settings_of(bootstrap: str, folder: Path, prefix: str = "stepwell") -> Settings:
    flags = {
        "kafka.bootstrap": bootstrap,
        "kafka.prefix": prefix,
        "readmodel.dir": str(folder),
    }
    return load_settings(flags=flags, environ={}, config=None, directory=Path("nowhere"))


@pytest.fixture
async def bootstrap(tmp_path: Path) -> AsyncIterator[str]:
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        yield broker.address


@pytest.fixture
async def settings(bootstrap: str, tmp_path: Path) -> Settings:
    settings = settings_of(bootstrap, tmp_path / "readmodel")
    await ensure_topics(settings)
    return settings


async def create(settings: Settings, instance_id: str) -> None:
    await create_instance(settings, "order", {"n": 1}, instance_id=instance_id, lane="live")


async def ids(settings: Settings) -> list[str]:
    return sorted(it.instance_id for it in await list_instances(settings))


async def test_what_was_read_is_kept_in_a_file(settings):
    await create(settings, "one")
    assert await ids(settings) == ["one"]
    kept = ReadModel(read_model_path(settings))
    assert [it.instance_id for it in kept.summaries()] == ["one"]
    kept.close()
    await create(settings, "two")
    assert await ids(settings) == ["one", "two"]


async def test_journals_have_files_of_their_own(settings, bootstrap, tmp_path):
    other = settings_of(bootstrap, tmp_path / "readmodel", prefix="other")
    await ensure_topics(other)
    await create(settings, "one")
    await create(other, "two")
    assert (await ids(settings), await ids(other)) == (["one"], ["two"])


async def test_a_deployment_without_topics_has_no_instances(bootstrap, tmp_path):
    assert await list_instances(settings_of(bootstrap, tmp_path / "readmodel")) == []


async def test_where_no_file_can_be_kept_the_whole_journal_is_read(settings, bootstrap, tmp_path):
    (tmp_path / "occupied").touch()
    settings = settings_of(bootstrap, tmp_path / "occupied")
    await create(settings, "one")
    assert await ids(settings) == ["one"]
    with pytest.raises(ReadModelUnavailable, match=r"readmodel\.dir"):
        async with follow_journal(settings, "gateway"):
            pass


async def test_a_reader_that_stays_and_others_that_come_may_share_a_file(settings):
    async with follow_journal(settings) as follower, open_control(settings, follower) as control:
        await control.create("order", instance_id="one")
        kept = await read_ledger(settings)
        assert await ids(settings) == ["one"]
        await control.create("order", instance_id="two")
        assert await ids(settings) == ["one", "two"]
        found = await follower.ask(lambda model: model.summaries())
        assert {it.instance_id for it in found} == {"one", "two"}
        kept.close()


async def test_a_file_that_was_deleted_is_made_anew(settings):
    await create(settings, "one")
    before = (await read_ledger(settings)).dump()
    for path in read_model_path(settings).parent.iterdir():
        path.unlink()
    after = (await read_ledger(settings)).dump()
    assert list(before) == list(after)
