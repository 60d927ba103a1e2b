"""All consumer groups: who is in them, and the offsets they committed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.coordination.group import Group
from stepwell.streams.broker.coordination.members import (
    JoinRequest,
    OnJoined,
    OnSynced,
    State,
)
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage.journal import Entry, Journal, Json

METADATA_MAX = 4096
Partition = tuple[str, int]
"""A topic's name and a partition's number."""


class Committed(NamedTuple):
    """What a group committed for a partition."""

    offset: int
    leader_epoch: int
    metadata: str


class Speaker(NamedTuple):
    """Who speaks for a group; a client without group management names only the group."""

    member_id: str = ""
    instance_id: str | None = None
    generation: int = -1


class Groups:
    """The coordinator of all groups."""

    def __init__(self, journal: Journal, config: BrokerConfig, new_id: Callable[[], str]) -> None:
        self._journal = journal
        self._config = config
        self._new_id = new_id
        self._groups: dict[str, Group] = {}
        self._offsets: dict[str, dict[Partition, Committed]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(tuple(self._groups.values()))

    def find(self, group_id: str) -> Group | None:
        """The group of an id."""
        return self._groups.get(group_id)

    # -- membership

    def join(self, group_id: str, request: JoinRequest, on_joined: OnJoined, now_ms: int) -> None:
        """Take part in a group, which begins with its first member. Raises `Refused`."""
        if not group_id:
            raise Refused(ErrorCode.INVALID_GROUP_ID)
        low, high = self._config.session_timeout_min_ms, self._config.session_timeout_max_ms
        if not low <= request.session_timeout_ms <= high:
            raise Refused(ErrorCode.INVALID_SESSION_TIMEOUT, f"{low} to {high} ms")
        group = self._groups.get(group_id)
        if group is None:
            if request.member_id:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
            group = self._groups[group_id] = self._new_group(group_id)
        if not request.member_id and len(group.members) >= self._config.group_members_max:
            raise Refused(ErrorCode.GROUP_MAX_SIZE_REACHED)
        group.join(request, on_joined, now_ms)

    def sync(
        self,
        group_id: str,
        speaker: Speaker,
        assignments: dict[str, bytes],
        on_synced: OnSynced,
        now_ms: int,
    ) -> None:
        """Give the assignment, or wait for it. Raises `Refused`."""
        group = self._speaking(group_id, speaker)
        group.sync(speaker.member_id, assignments, on_synced, now_ms)

    def heartbeat(self, group_id: str, speaker: Speaker, now_ms: int) -> None:
        """A member lives. Raises `Refused`."""
        self._speaking(group_id, speaker).heartbeat(speaker.member_id, now_ms)

    def leave(self, group_id: str, member_id: str, instance_id: str | None, now_ms: int) -> None:
        """A member leaves. Raises `Refused`."""
        group = self._groups.get(group_id)
        if group is None:
            raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
        group.leave(member_id, instance_id, now_ms)

    def expire(self, now_ms: int) -> None:
        """Let time pass."""
        for group in self:
            group.expire(now_ms)

    # -- offsets

    def check_commit(self, group_id: str, speaker: Speaker, now_ms: int) -> None:
        """Raise `Refused` unless the speaker may commit now."""
        group = self._groups.get(group_id)
        if speaker.generation < 0 and not speaker.member_id and speaker.instance_id is None:
            if group is not None and group.state is not State.EMPTY:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID, "the group has members that commit")
            return
        if group is None:
            raise Refused(ErrorCode.ILLEGAL_GENERATION)
        group.check(*speaker)
        if group.state is State.COMPLETING:
            raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)
        group.members[speaker.member_id].heard_of(now_ms)

    def commit(self, group_id: str, offsets: Mapping[Partition, Committed]) -> None:
        """Keep offsets; raises `StorageFailed`."""
        if group_id not in self._groups:
            group = self._new_group(group_id)
            self._journal.put([(("group", group_id), group.to_json())])
            self._groups[group_id] = group
        self._journal.put(offset_entries(group_id, offsets))
        self.committed(group_id, offsets)

    def committed(self, group_id: str, offsets: Mapping[Partition, Committed]) -> None:
        """Take up offsets that the journal holds."""
        self._offsets.setdefault(group_id, {}).update(offsets)
        if group_id not in self._groups:
            self._groups[group_id] = self._new_group(group_id)

    def offsets(self, group_id: str) -> Mapping[Partition, Committed]:
        """What a group committed."""
        return self._offsets.get(group_id, {})

    def forget_topic(self, topic: str) -> None:
        """Forget the offsets of a deleted topic."""
        for group_id, offsets in self._offsets.items():
            gone = [partition for partition in offsets if partition[0] == topic]
            self._journal.put([(("offset", group_id, *partition), None) for partition in gone])
            for partition in gone:
                del offsets[partition]

    def delete(self, group_id: str) -> None:
        """Delete a group without members, and its offsets. Raises `Refused`."""
        group = self._groups.get(group_id)
        if group is None:
            raise Refused(ErrorCode.GROUP_ID_NOT_FOUND)
        if group.state is not State.EMPTY:
            raise Refused(ErrorCode.NON_EMPTY_GROUP)
        gone: list[Entry] = [(("group", group_id), None)]
        gone += [(("offset", group_id, *partition), None) for partition in self.offsets(group_id)]
        self._journal.put(gone)
        del self._groups[group_id]
        self._offsets.pop(group_id, None)

    # -- after a restart

    def restore_group(self, group_id: str, value: Json, now_ms: int) -> None:
        """Take up a group from the journal."""
        assert isinstance(value, dict)
        group = self._groups[group_id] = self._new_group(group_id)
        group.restore(value, now_ms)

    def restore_offset(self, group_id: str, partition: Partition, value: Json) -> None:
        """Take up an offset from the journal."""
        self.committed(group_id, {partition: committed_from(value)})

    # -- within

    def _new_group(self, group_id: str) -> Group:
        return Group(group_id, self._persist, self._new_id)

    def _persist(self, group: Group) -> None:
        self._journal.put([(("group", group.group_id), group.to_json())])

    def _speaking(self, group_id: str, speaker: Speaker) -> Group:
        group = self._groups.get(group_id)
        if not group_id:
            raise Refused(ErrorCode.INVALID_GROUP_ID)
        if group is None:
            raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
        group.check(*speaker)
        return group


def offset_entries(group_id: str, offsets: Mapping[Partition, Committed]) -> Sequence[Entry]:
    """Offsets as the journal keeps them."""
    return [(("offset", group_id, *key), list(value)) for key, value in offsets.items()]


def committed_from(value: Json) -> Committed:
    """An offset from the journal."""
    assert isinstance(value, list)
    offset, leader_epoch, metadata = value
    assert isinstance(offset, int)
    assert isinstance(leader_epoch, int)
    return Committed(offset, leader_epoch, str(metadata))
