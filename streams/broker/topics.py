"""The topics: names, settings and partitions, kept in the journal; their logs, kept in folders."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import structlog

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.compacting import remove_leftovers
from stepwell.streams.broker.config import BrokerConfig, Fsync
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.storage.journal import Journal, Json
from stepwell.streams.broker.storage.log import PartitionLog
from stepwell.streams.broker.storage.segment import LOG_SUFFIX
from stepwell.streams.broker.topic_configs import TopicRules

NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
PARTITIONS_MAX = 10_000
DELETED_SUFFIX = ".deleted"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Topic:
    """A topic and the logs of its partitions."""

    name: str
    identity: str
    configs: dict[str, str]
    rules: TopicRules
    logs: list[PartitionLog] = field(default_factory=list)


class Topics:
    """All topics of a broker."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        config: BrokerConfig,
        clock: Callable[[], int],
        new_id: Callable[[], UUID],
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._config = config
        self._clock = clock
        self._new_id = new_id
        self._topics: dict[str, Topic] = {}
        folder.mkdir(exist_ok=True)

    def __iter__(self) -> Iterator[Topic]:
        return iter(tuple(self._topics.values()))

    def __len__(self) -> int:
        return len(self._topics)

    def logs(self) -> Iterator[PartitionLog]:
        """The logs of all partitions."""
        for topic in self:
            yield from topic.logs

    def find(self, name: str) -> Topic | None:
        """The topic of a name."""
        return self._topics.get(name)

    def get(self, name: str) -> Topic:
        """The topic of a name; raises `Refused`."""
        if (topic := self._topics.get(name)) is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name!r}")
        return topic

    def log_of(self, name: str, partition: int) -> PartitionLog:
        """The log of a partition; raises `Refused`."""
        logs = self.get(name).logs
        if not 0 <= partition < len(logs):
            detail = f"{name!r} has {len(logs)} partitions"
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, detail)
        return logs[partition]

    def has(self, name: str, partition: int) -> bool:
        """Whether there is such a partition."""
        topic = self._topics.get(name)
        return topic is not None and 0 <= partition < len(topic.logs)

    def check_new(self, name: str, partitions: int) -> None:
        """Raise `Refused` unless a topic of this name can be created."""
        if not NAME.fullmatch(name) or name in {".", ".."}:
            detail = f"{name!r} should be 1 to 249 letters, digits, '.', '_' or '-'"
            raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, detail)
        if name in self._topics:
            raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        alike = name.replace(".", "_")
        for other in self._topics:
            if other.replace(".", "_") == alike:
                detail = f"Topic '{name}' collides with existing topic: {other}"
                raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, detail)
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise Refused(ErrorCode.INVALID_PARTITIONS, f"1 to {PARTITIONS_MAX} partitions")

    def create(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        """Create a topic whose facts have been checked."""
        topic = self._new_topic(name, self._new_id().hex, dict(configs))
        try:
            topic.logs = self._opened(topic, range(partitions), {})
            self._journal.put([(("topic", name), _value(topic))])
        except StorageFailed:
            shutil.rmtree(self._folder_of(topic), ignore_errors=True)
            raise
        self._topics[name] = topic
        return topic

    def add_partitions(self, topic: Topic, partitions: int, *, only_check: bool = False) -> None:
        """Give a topic more partitions. Raises `Refused`."""
        if not len(topic.logs) < partitions <= PARTITIONS_MAX:
            detail = f"it has {len(topic.logs)} partitions, {partitions} would not be more"
            raise Refused(ErrorCode.INVALID_PARTITIONS, detail)
        if only_check:
            return
        more = self._opened(topic, range(len(topic.logs), partitions), {})
        changed = replace(topic, logs=[*topic.logs, *more])
        self._journal.put([(("topic", topic.name), _value(changed))])
        topic.logs = changed.logs

    def configure(self, topic: Topic, configs: Mapping[str, str]) -> None:
        """Give a topic these settings, checked before, in place of those it has."""
        changed = replace(topic, configs=dict(configs))
        self._journal.put([(("topic", topic.name), _value(changed))])
        topic.configs = changed.configs
        topic.rules = TopicRules.of(topic.configs, self._config)
        for found in topic.logs:
            found.config = topic.rules.log

    def delete(self, name: str) -> Path:
        """Delete a topic; its folder, renamed, is left for the caller to remove."""
        topic = self.get(name)
        starts = [(("start", topic.identity, index), None) for index in range(len(topic.logs))]
        folder = self._folder_of(topic)
        gone = folder.rename(folder.with_name(folder.name + DELETED_SUFFIX))
        try:
            self._journal.put([(("topic", name), None), *starts])
        except StorageFailed:
            gone.rename(folder)
            raise
        del self._topics[name]
        for found in topic.logs:
            found.close()
            found.move_watermark(found.high_watermark)  # waiting consumers look again
        return gone

    def delete_records(self, topic: Topic, partition: int, offset: int) -> None:
        """Let a partition begin at an offset. Files go first: on a full disk that makes room."""
        found = topic.logs[partition]
        if offset > found.start_offset:
            found.delete_until(offset)
            self._journal.put([(("start", topic.identity, partition), offset)])

    def restore(self, entries: Mapping[str, Json], starts: Mapping[tuple[str, int], int]) -> None:
        """Open the topics that the journal names; clean up what a crash left."""
        for name, value in entries.items():
            assert isinstance(value, dict)
            identity, partitions, configs = value["id"], value["partitions"], value["configs"]
            assert isinstance(identity, str)
            assert isinstance(partitions, int)
            assert isinstance(configs, dict)
            topic = self._new_topic(name, identity, {k: str(v) for k, v in configs.items()})
            topic.logs = self._opened(topic, range(partitions), starts)
            self._topics[name] = topic
        known = {self._folder_of(topic) for topic in self}
        for folder in set(self._folder.iterdir()) - known:
            if folder.name.endswith(DELETED_SUFFIX) or not _holds_records(folder):
                shutil.rmtree(folder, ignore_errors=True)
            else:
                log.warning("folder of no topic, left alone", folder=str(folder))

    def close(self) -> None:
        """Close every file."""
        for topic in self:
            for found in topic.logs:
                found.close()

    def _new_topic(self, name: str, identity: str, configs: dict[str, str]) -> Topic:
        return Topic(name, identity, configs, TopicRules.of(configs, self._config))

    def _opened(
        self, topic: Topic, indexes: range, starts: Mapping[tuple[str, int], int]
    ) -> list[PartitionLog]:
        logs = []
        for index in indexes:
            folder = self._folder_of(topic) / str(index)
            start_offset = starts.get((topic.identity, index), 0)
            try:
                remove_leftovers(folder)
                opened = PartitionLog(
                    folder, topic.rules.log, start_offset=start_offset, now_ms=self._clock()
                )
            except OSError as error:
                raise StorageFailed(f"{folder}: {error.strerror}") from error
            opened.manual_watermark = self._config.fsync is Fsync.ALWAYS
            if opened.cut_bytes:
                log.warning(
                    "torn tail cut off", folder=str(opened.folder), cut_bytes=opened.cut_bytes
                )
            logs.append(opened)
        return logs

    def _folder_of(self, topic: Topic) -> Path:
        return self._folder / f"{topic.name[:200]}-{topic.identity[:8]}"


def _value(topic: Topic) -> Json:
    configs: dict[str, Json] = dict(topic.configs)
    return {"id": topic.identity, "partitions": len(topic.logs), "configs": configs}


def _holds_records(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.rglob(f"*{LOG_SUFFIX}"))
