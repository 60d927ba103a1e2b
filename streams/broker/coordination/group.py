"""One consumer group as a state machine: members join, one of them assigns, all are told.

Everything that happens is a method with the time as an argument; answers go to callbacks, at once
or later. `persist` writes the outcome of a completed round before anyone hears of it.
"""

from collections.abc import Callable

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.coordination.members import (
    JoinAnswer,
    JoinRequest,
    Member,
    OnJoined,
    OnSynced,
    State,
    SyncAnswer,
)
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.storage.journal import Json

NEWCOMER_TIMEOUT_MS = 5 * 60 * 1000


class Group:
    """A group. Its offsets are kept elsewhere."""

    def __init__(
        self, group_id: str, persist: Callable[["Group"], None], new_id: Callable[[], str]
    ) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self._expected: dict[str, int] = {}
        """Ids that were given out, and until when their owners may come with them."""
        self._deadline_ms: int | None = None
        """When the present phase of a rebalance ends whether all have come or not."""
        self._persist = persist
        self._new_id = new_id

    # -- joining

    def join(self, request: JoinRequest, on_joined: OnJoined, now_ms: int) -> None:
        """Take part; answered when the round is complete. Raises `Refused`."""
        self._check_protocols(request)
        if request.instance_id is not None:
            self._join_static(request.instance_id, request, on_joined, now_ms)
        elif not request.member_id:
            self._join_new(request, on_joined, now_ms)
        elif request.member_id in self._expected:
            del self._expected[request.member_id]
            self._add(request.member_id, request, on_joined, now_ms)
        else:
            self._join_again(self._known(request.member_id), request, on_joined, now_ms)

    def _join_new(self, request: JoinRequest, on_joined: OnJoined, now_ms: int) -> None:
        member_id = f"{request.client_id}-{self._new_id()}"
        if request.needs_known_id:
            self._expected[member_id] = now_ms + request.session_timeout_ms
            on_joined(JoinAnswer(ErrorCode.MEMBER_ID_REQUIRED, member_id))
        else:
            self._add(member_id, request, on_joined, now_ms)

    def _join_static(
        self, instance_id: str, request: JoinRequest, on_joined: OnJoined, now_ms: int
    ) -> None:
        holder = self._holder(instance_id)
        if request.member_id:
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder.member_id != request.member_id:
                raise Refused(ErrorCode.FENCED_INSTANCE_ID)
            self._join_again(holder, request, on_joined, now_ms)
            return
        member_id = f"{instance_id}-{self._new_id()}"
        if holder is None:
            self._add(member_id, request, on_joined, now_ms)
        else:
            self._replace(holder, member_id, request, on_joined, now_ms=now_ms)

    def _join_again(
        self, member: Member, request: JoinRequest, on_joined: OnJoined, now_ms: int
    ) -> None:
        same = member.protocols == request.protocols
        member.heard_of(now_ms)
        settled = self.state is State.STABLE and member.member_id != self.leader
        if same and (settled or self.state is State.COMPLETING):
            on_joined(self._joined(member))
            return
        member.update(request)
        self._park(member, on_joined)
        self._prepare(now_ms)

    def _add(self, member_id: str, request: JoinRequest, on_joined: OnJoined, now_ms: int) -> None:
        if not self.members:
            self.protocol_type = request.protocol_type
        member = self.members[member_id] = Member.of(member_id, request, now_ms)
        self.leader = self.leader or member_id
        self._park(member, on_joined)
        self._prepare(now_ms)

    def _replace(
        self,
        old: Member,
        member_id: str,
        request: JoinRequest,
        on_joined: OnJoined,
        *,
        now_ms: int,
    ) -> None:
        """A static member came back under a new id: nobody else need notice."""
        old.answer_join(JoinAnswer(ErrorCode.FENCED_INSTANCE_ID, old.member_id))
        old.answer_sync(SyncAnswer(ErrorCode.FENCED_INSTANCE_ID))
        same = self._choose({**self.members, old.member_id: Member.of("", request, now_ms)})
        new = Member.of(member_id, request, now_ms)
        new.assignment = old.assignment
        leader_before = self.leader
        self.members = {
            (member_id if key == old.member_id else key): (new if key == old.member_id else member)
            for key, member in self.members.items()
        }
        if self.leader == old.member_id:
            self.leader = member_id
        if self.state is not State.STABLE or same != self.protocol:
            self._park(new, on_joined)
            self._prepare(now_ms)
            return
        self._persist(self)
        answer = self._joined(new, skip_assignment=request.can_skip_assignment)
        if not request.can_skip_assignment:
            # To itself it is a follower: an old client that leads would assign anew.
            answer = JoinAnswer(
                ErrorCode.NONE,
                member_id,
                self.generation,
                self.protocol_type,
                self.protocol,
                leader=leader_before or "",
            )
        on_joined(answer)

    # -- the round

    def _prepare(self, now_ms: int) -> None:
        """Begin a round unless one is under way, and end it if all have come."""
        if self.state is State.COMPLETING:
            for member in self.members.values():
                member.answer_sync(SyncAnswer(ErrorCode.REBALANCE_IN_PROGRESS))
        if self.state is not State.PREPARING:
            self.state = State.PREPARING
            longest = max((m.rebalance_timeout_ms for m in self.members.values()), default=0)
            self._deadline_ms = now_ms + longest
        self._complete_if_all_came(now_ms)

    def _complete_if_all_came(self, now_ms: int) -> None:
        waiting = all(member.on_joined is not None for member in self.members.values())
        if self.state is State.PREPARING and waiting and not self._expected:
            self._complete(now_ms)

    def _complete(self, now_ms: int) -> None:
        """All who will come have come: choose a protocol, tell everyone."""
        self.generation += 1
        if not self.members:
            self.state, self.protocol, self.leader = State.EMPTY, None, None
            self._deadline_ms = None
            self._persist_quietly()
            return
        joined = [key for key, member in self.members.items() if member.on_joined is not None]
        if self.leader not in joined:
            self.leader = joined[0]
        self.protocol = self._choose(self.members)
        self.state = State.COMPLETING
        longest = max(member.rebalance_timeout_ms for member in self.members.values())
        self._deadline_ms = now_ms + longest
        for member in tuple(self.members.values()):
            member.heard_of(now_ms)
            member.answer_join(self._joined(member))

    def sync(
        self,
        member_id: str,
        assignments: dict[str, bytes],
        on_synced: OnSynced,
        now_ms: int,
    ) -> None:
        """The leader assigns, the others wait for it. `check` has been called before."""
        member = self._known(member_id)
        member.heard_of(now_ms)
        if self.state is State.PREPARING:
            raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)
        if self.state is State.STABLE:
            on_synced(self._synced(member))
            return
        member.on_synced = on_synced
        if member_id == self.leader:
            self._assign(assignments, now_ms)

    def _assign(self, assignments: dict[str, bytes], now_ms: int) -> None:
        before = {key: member.assignment for key, member in self.members.items()}
        for key, member in self.members.items():
            member.assignment = assignments.get(key, b"")
        self.state = State.STABLE
        try:
            self._persist(self)
        except StorageFailed:
            self.state = State.COMPLETING
            for key, member in self.members.items():
                member.assignment = before[key]
                member.answer_sync(SyncAnswer(ErrorCode.COORDINATOR_NOT_AVAILABLE))
            return
        self._deadline_ms = None
        for member in self.members.values():
            member.answer_sync(self._synced(member))
            member.heard_of(now_ms)

    def restore(self, value: dict[str, Json], now_ms: int) -> None:
        """Go on where the journal says that the group stood."""
        generation, members = value["generation"], value["members"]
        assert isinstance(generation, int)
        assert isinstance(members, list)
        self.generation = generation
        self.protocol_type, self.protocol, self.leader = (
            None if (text := value[name]) is None else str(text)
            for name in ("protocol_type", "protocol", "leader")
        )
        restored = [Member.from_json(member, now_ms) for member in members]
        self.members = {member.member_id: member for member in restored}
        self.state = State.STABLE if restored else State.EMPTY

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {
            "generation": self.generation,
            "protocol_type": self.protocol_type,
            "protocol": self.protocol,
            "leader": self.leader,
            "members": [member.to_json() for member in self.members.values()],
        }

    # -- living and leaving

    def heartbeat(self, member_id: str, now_ms: int) -> None:
        """It lives; raises `Refused` when it has to join again. `check` has been called before."""
        self._known(member_id).heard_of(now_ms)
        if self.state is State.PREPARING:
            raise Refused(ErrorCode.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str, instance_id: str | None, now_ms: int) -> str:
        """Take no further part; the id of who left. Raises `Refused`."""
        if instance_id is not None:
            holder = self._holder(instance_id)
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
            if member_id and holder.member_id != member_id:
                raise Refused(ErrorCode.FENCED_INSTANCE_ID)
            member_id = holder.member_id
        if member_id in self._expected:
            del self._expected[member_id]
            self._complete_if_all_came(now_ms)
        else:
            self._remove(self._known(member_id), now_ms)
        return member_id

    def check(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """Raise `Refused` unless a member of the present generation speaks."""
        if instance_id is not None:
            holder = self._holder(instance_id)
            if holder is None:
                raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder.member_id != member_id:
                raise Refused(ErrorCode.FENCED_INSTANCE_ID)
        self._known(member_id)
        if generation != self.generation:
            detail = f"generation {generation}, the group is at {self.generation}"
            raise Refused(ErrorCode.ILLEGAL_GENERATION, detail)

    def expire(self, now_ms: int) -> None:
        """Give up whoever was silent too long, and end phases that took too long."""
        for member_id, until_ms in tuple(self._expected.items()):
            if now_ms >= until_ms:
                del self._expected[member_id]
                self._complete_if_all_came(now_ms)
        for member in tuple(self.members.values()):
            if now_ms >= member.deadline_ms and not member.is_waiting:
                self._remove(member, now_ms)
        if self._deadline_ms is not None and now_ms >= self._deadline_ms:
            self._give_up_waiting(now_ms)

    def _give_up_waiting(self, now_ms: int) -> None:
        if self.state is State.PREPARING:
            self._expected.clear()
            late = [m for m in self.members.values() if m.on_joined is None]
            for member in late:
                if member.instance_id is None:
                    self._forget(member)
            came = any(member.on_joined is not None for member in self.members.values())
            if self.members and not came:
                longest = max(member.rebalance_timeout_ms for member in self.members.values())
                self._deadline_ms = now_ms + longest
            else:
                self._complete(now_ms)
        elif self.state is State.COMPLETING:
            for member in tuple(self.members.values()):
                if member.on_synced is None:
                    self._forget(member)
            self._prepare(now_ms)

    def _remove(self, member: Member, now_ms: int) -> None:
        self._forget(member)
        if self.state in {State.STABLE, State.COMPLETING}:
            self._prepare(now_ms)
        else:
            self._complete_if_all_came(now_ms)

    def _forget(self, member: Member) -> None:
        del self.members[member.member_id]
        member.answer_join(JoinAnswer(ErrorCode.UNKNOWN_MEMBER_ID, ""))
        member.answer_sync(SyncAnswer(ErrorCode.UNKNOWN_MEMBER_ID))
        if self.leader == member.member_id:
            self.leader = next(iter(self.members), None)

    # -- within

    def _known(self, member_id: str) -> Member:
        if (member := self.members.get(member_id)) is None:
            raise Refused(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def _holder(self, instance_id: str) -> Member | None:
        held = (m for m in self.members.values() if m.instance_id == instance_id)
        return next(held, None)

    def _park(self, member: Member, on_joined: OnJoined) -> None:
        member.answer_join(JoinAnswer(ErrorCode.UNKNOWN_MEMBER_ID, member.member_id))
        member.on_joined = on_joined

    def _check_protocols(self, request: JoinRequest) -> None:
        others = [m for m in self.members.values() if m.member_id != request.member_id]
        fits = bool(request.protocol_type and request.protocols)
        if others and fits:
            common = set.intersection(*({name for name, _ in m.protocols} for m in others))
            offered = {name for name, _ in request.protocols}
            fits = request.protocol_type == self.protocol_type and bool(common & offered)
        if not fits:
            raise Refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)

    def _choose(self, members: dict[str, Member]) -> str | None:
        """The protocol that most prefer among those that all know."""
        names = [[name for name, _ in member.protocols] for member in members.values()]
        common = set.intersection(*map(set, names)) if names else set()
        votes = [next(name for name in preferred if name in common) for preferred in names]
        return max(votes, key=votes.count, default=None)

    def _joined(self, member: Member, *, skip_assignment: bool = False) -> JoinAnswer:
        leads = member.member_id == self.leader
        everyone = self.members.values()
        rows = [(m.member_id, m.instance_id, m.metadata(self.protocol)) for m in everyone]
        return JoinAnswer(
            ErrorCode.NONE,
            member.member_id,
            self.generation,
            self.protocol_type,
            self.protocol,
            leader=self.leader or "",
            members=tuple(rows) if leads else (),
            skip_assignment=skip_assignment and leads,
        )

    def _synced(self, member: Member) -> SyncAnswer:
        return SyncAnswer(ErrorCode.NONE, member.assignment, self.protocol_type, self.protocol)

    def _persist_quietly(self) -> None:
        """An empty group that the journal does not know of is made so again by a restart."""
        try:
            self._persist(self)
        except StorageFailed:
            return
