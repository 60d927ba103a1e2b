"""The broker without its sockets: what the APIs work on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.coordination.groups import Groups, Partition
from stepwell.streams.broker.coordination.transactions import Transactions
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage.journal import Journal, Json, Key
from stepwell.streams.broker.storage.syncing import Syncing
from stepwell.streams.broker.topics import Topics

NODE_ID = 1
JOURNAL_NAME = "meta.journal"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a broker takes from the world; tests bring their own."""

    now_ms: Callable[[], int]
    """The time of day: of records, retention, transactions."""
    ticks_ms: Callable[[], int]
    """A clock that only goes forward, and stands still while the machine sleeps: of groups."""
    new_id: Callable[[], UUID]


class Node:
    """Topics, groups and transactions over one data folder, which the caller has locked."""

    def __init__(self, config: BrokerConfig, environment: Environment) -> None:
        self.config = config
        self.now_ms, self.ticks_ms = environment.now_ms, environment.ticks_ms
        self.host, self.port = config.host, config.port
        self.journal = Journal(config.data_dir / JOURNAL_NAME)
        self.topics = Topics(
            config.data_dir / "topics", self.journal, config, self.now_ms, environment.new_id
        )
        self.groups = Groups(self.journal, config, lambda: str(environment.new_id()))
        self.transactions = Transactions(self.journal, config, self.groups, self._write_marker)
        self.syncing = Syncing(self.journal, self.topics.logs)
        self.cluster_id = self._restore(environment)
        self.tasks: set[asyncio.Task[None]] = set()
        """Work that outlives the call that began it, such as removing folders."""

    def close(self) -> None:
        """Sync everything and leave checkpoints, so that the next start reads no log."""
        self.syncing.close()
        self.topics.close()
        self.journal.close()

    def _restore(self, environment: Environment) -> str:
        if self.journal.cut_bytes:
            log.warning("torn end of the journal cut off", cut_bytes=self.journal.cut_bytes)
        topics: dict[str, Json] = {}
        starts: dict[tuple[str, int], int] = {}
        cluster_id = ""
        for key, value in self.journal.entries():
            match key:
                case ("cluster",):
                    cluster_id = str(value)
                case ("topic", str(name)):
                    topics[name] = value
                case ("start", str(identity), int(index)) if isinstance(value, int):
                    starts[identity, index] = value
                case _:
                    self._restore_coordination(key, value)
        if not cluster_id:
            cluster_id = environment.new_id().hex
            self.journal.put([(("cluster",), cluster_id)])
        self.topics.restore(topics, starts)
        return cluster_id

    def _restore_coordination(self, key: Key, value: Json) -> None:
        match key:
            case ("group", str(group_id)):
                self.groups.restore_group(group_id, value, self.ticks_ms())
            case ("offset", str(group_id), str(topic), int(index)):
                self.groups.restore_offset(group_id, (topic, index), value)
            case ("txn", str(transactional_id)):
                self.transactions.restore(transactional_id, value)
            case ("producer_ids",) if isinstance(value, int):
                self.transactions.restore_ids(value)
            case _:
                log.warning("journal entry of an unknown kind", key=key)

    def _write_marker(
        self, partition: Partition, producer_id: int, epoch: int, commit: bool
    ) -> None:
        try:
            found = self.topics.log_of(*partition)
        except Refused:
            return  # the topic was deleted meanwhile
        found.append_marker(producer_id, epoch, commit=commit, now_ms=self.now_ms())
