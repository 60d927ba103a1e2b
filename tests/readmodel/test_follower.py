"""A read model goes on where it left off, and notices when the journal is not what it was."""

import asyncio
import logging
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from stepwell.schemas.commands import DeleteRequested, PauseRequested
from stepwell.schemas.journal import InstanceCompleted, InstanceCreated, InstanceKey
from stepwell.streams.errors import BrokerUnavailable, ReadModelUnavailable
from stepwell.streams.kafka.publisher import Position
from stepwell.streams.readmodel.follower import caught_up, following
from stepwell.streams.readmodel.judging import ProjectedJournal
from stepwell.streams.views import Receipt
from tests.readmodel.feeds import MemoryTopic


@pytest.fixture(autouse=True)
def warnings_are_said():
    """As in a process; elsewhere tests are quiet."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "model.sqlite"


def created(topic: MemoryTopic, *names: str, at_ms: int = 1_000) -> None:
    for number, name in enumerate(names):
        topic.put(number % 2, f"order/{name}", InstanceCreated({"n": name}, at_ms + number))


async def names(topic: MemoryTopic, path: Path) -> list[str]:
    """The instances that a reader sees who comes now."""
    model = await caught_up(topic.open, path)
    found = sorted(it.instance_id for it in model.summaries())
    model.close()
    return found


async def test_what_was_read_before_is_not_read_again(path):
    topic = MemoryTopic()
    created(topic, *(f"a{number}" for number in range(20)))
    assert len(await names(topic, path)) == 20
    topic.read = 0
    created(topic, "b")
    assert "b" in await names(topic, path)
    assert topic.read == 3  # the new one, and the last one of each partition to know it again


async def test_a_journal_that_is_made_anew_is_noticed(path):
    topic = MemoryTopic()
    created(topic, "a", "b", "c")
    await names(topic, path)
    other = MemoryTopic()
    created(other, "x", "y", "z", "more", at_ms=7)
    with capture_logs() as logs:
        assert await names(other, path) == ["more", "x", "y", "z"]
    assert "the journal is another one" in logs[0]["event"]


async def test_a_journal_that_is_shorter_than_it_was_is_noticed(path):
    topic = MemoryTopic()
    created(topic, "a", "b", "c")
    await names(topic, path)
    other = MemoryTopic()
    created(other, "a")
    with capture_logs() as logs:
        assert await names(other, path) == ["a"]
    assert "shorter than it was" in logs[0]["why"]


async def test_a_journal_without_what_comes_next_is_noticed(path):
    topic = MemoryTopic()
    created(topic, "a", "b")
    await names(topic, path)
    created(topic, "c", "d", "e", "f")
    topic.cut(0, 2)
    with capture_logs() as logs:
        assert await names(topic, path) == ["b", "d", "e", "f"]
    assert [line["event"] for line in logs] == [
        "read model is made anew: the journal is another one",
        "the journal begins late: instances from before are not known",
    ]


async def test_what_was_read_in_time_stays_known_when_the_journal_has_lost_it(path):
    topic = MemoryTopic()
    created(topic, "a", "b", "c", "d")
    await names(topic, path)
    topic.cut(0, 2)
    created(topic, "e")
    with capture_logs() as logs:
        assert await names(topic, path) == ["a", "b", "c", "d", "e"]
    assert logs == []


async def test_a_journal_that_begins_late_is_not_taken_for_a_whole_one(path):
    topic = MemoryTopic()
    created(topic, "a", "b", "c", "d")
    topic.cut(1, 1)
    model = await caught_up(topic.open, path)
    assert model.missing == {1: 1}
    model.close()


async def test_a_damaged_file_is_made_anew(path):
    topic = MemoryTopic()
    created(topic, "a", "b")
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    assert await names(topic, path) == ["a", "b"]


async def test_a_file_of_another_format_is_made_anew(path):
    topic = MemoryTopic()
    created(topic, "a")
    model = await caught_up(topic.open, path)
    model.take([(0, 1, b"order/old", b"junk")])
    model._connection.execute("PRAGMA user_version=99")
    model.close()
    assert await names(topic, path) == ["a"]


async def test_others_may_not_read_the_file(path):
    await names(MemoryTopic(), path)
    assert path.stat().st_mode & 0o077 == 0


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReadModelUnavailable, match=r"readmodel\.dir"):
        await caught_up(MemoryTopic().open, tmp_path / "file" / "model")


async def test_without_a_broker_there_is_no_answer(path):
    topic = MemoryTopic()
    topic.up = False
    with pytest.raises(BrokerUnavailable):
        await caught_up(topic.open, path)


async def test_a_topic_that_is_away_for_a_moment_is_not_taken_for_another_one(path):
    topic = MemoryTopic()
    created(topic, "a")
    await names(topic, path)
    with pytest.raises(BrokerUnavailable, match="no journal topic"):
        await names(MemoryTopic(partitions=0), path)
    assert await names(topic, path) == ["a"]


async def test_what_happens_is_known_at_once_and_after_an_outage(path):
    topic = MemoryTopic()
    async with following(topic.open, path, retry_ms=1) as follower:
        created(topic, "a")
        await follower.passed(0, 0)
        topic.up = False
        created(topic, "b", "c")
        topic.up = True
        await follower.passed(1, 0)
        found = await follower.ask(lambda model: model.find(None, "c"))
        assert found == [InstanceKey("order", "c")]


async def test_a_topic_that_is_replaced_while_it_is_followed_is_read_anew(path):
    topic = MemoryTopic()
    created(topic, "a", "b", "c", "d")
    async with following(topic.open, path, retry_ms=1) as follower:
        await follower.passed(1, 1)
        topic.rows = [[], []]
        created(topic, "x")
        async with asyncio.timeout(5):
            while await follower.ask(lambda model: model.find(None, "x")) == []:
                await follower.more().wait()
        assert len(await follower.ask(lambda model: model.summaries())) == 1


async def test_commands_are_judged_as_they_come(path):
    topic = MemoryTopic()
    async with following(topic.open, path, retry_ms=1) as follower:
        judging = ProjectedJournal(follower)
        offset = topic.put(0, "order/a", InstanceCreated(None, 1))
        again = topic.put(0, "order/a", InstanceCreated(None, 2))
        lost = topic.put(1, "order/b", PauseRequested(3, command_id="c"))
        wanted = [Position(0, offset), Position(0, again), Position(1, lost)]
        rulings = await judging.rulings(wanted)
        verdicts = [rulings[position].verdict for position in wanted]
        assert verdicts == ["accepted", "duplicate-instance", "unknown-instance"]
        assert (await follower.ask(lambda model: model.command("c"))).kind == "PauseRequested"


async def test_the_end_of_an_instance_can_be_waited_for(path):
    topic = MemoryTopic()
    async with following(topic.open, path, retry_ms=1) as follower:
        offset = topic.put(0, "order/a", InstanceCreated(None, 1))
        receipt = Receipt("order", "a", "", "accepted", "running", "", 0, offset)
        waiting = asyncio.create_task(ProjectedJournal(follower).at_rest(receipt))
        await follower.passed(0, offset)
        topic.put(0, "order/a", InstanceCompleted(offset, 0, 5, "done"))
        assert (await waiting).status == "complete"


async def test_what_was_deleted_is_wiped_from_the_files_while_they_are_open(path):
    topic = MemoryTopic()
    async with following(topic.open, path, retry_ms=1) as follower:
        created(topic, "ann")
        await follower.passed(0, 0)
        topic.put(0, "order/ann", DeleteRequested(5))
        async with asyncio.timeout(5):
            while any(b'"n":"ann"' in file.read_bytes() for file in path.parent.iterdir()):  # noqa: ASYNC110
                await asyncio.sleep(0)
