"""Consumer groups: who joins is told, who assigns is obeyed, who is silent is given up."""

import pytest

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.coordination.groups import Committed, Groups, Speaker
from stepwell.streams.broker.coordination.members import JoinRequest, State
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage.journal import Journal

SESSION_MS = 10_000
REBALANCE_MS = 60_000


class Coordinator:
    """The groups of a broker, a clock, and what their members were told."""

    def __init__(self, folder):
        self.folder = folder
        self.now_ms = 0
        self.ids = iter(range(100, 1000))
        self.restart()

    def restart(self):
        self.journal = Journal(self.folder / "j")
        self.groups = Groups(self.journal, BrokerConfig(self.folder), lambda: str(next(self.ids)))
        for key, value in self.journal.entries():
            if key[0] == "group":
                self.groups.restore_group(key[1], value, self.now_ms)
            else:
                self.groups.restore_offset(key[1], key[2:], value)

    @property
    def group(self):
        return self.groups.find("g")

    def pass_ms(self, ms):
        self.now_ms += ms
        self.groups.expire(self.now_ms)

    def join(self, member_id="", *, instance=None, known=False, protocols=("range",), skip=False):
        """Ask to join; the list gets the answer when it comes."""
        answers = []
        request = JoinRequest(
            member_id=member_id,
            instance_id=instance,
            client_id="c",
            client_host="/h",
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            protocol_type="consumer",
            protocols=tuple((name, b"m") for name in protocols),
            needs_known_id=known,
            can_skip_assignment=skip,
        )
        self.groups.join("g", request, answers.append, self.now_ms)
        return answers

    def sync(self, joined, assignments=None):
        answers = []
        speaker = Speaker(joined.member_id, None, joined.generation)
        self.groups.sync("g", speaker, assignments or {}, answers.append, self.now_ms)
        return answers

    def beat(self, joined, generation=None):
        speaker = Speaker(joined.member_id, None, generation or joined.generation)
        self.groups.heartbeat("g", speaker, self.now_ms)

    def pair(self):
        """Two members, settled; the first leads."""
        (alone,) = self.join()
        self.sync(alone, {alone.member_id: b"all"})
        second = self.join()
        first = self.join(alone.member_id)
        leader, follower = first[0], second[0]
        waiting = self.sync(follower)
        assignments = {leader.member_id: b"L", follower.member_id: b"F"}
        assert self.sync(leader, assignments)[0].assignment == b"L"
        assert waiting[0].assignment == b"F"
        return leader, follower


@pytest.fixture
def at(tmp_path):
    return Coordinator(tmp_path)


def refusal(action, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        action(*args, **kwargs)
    return refused.value.code


def test_a_newcomer_is_given_an_id_to_come_again_with(at):
    (told,) = at.join(known=True)
    assert told.error is ErrorCode.MEMBER_ID_REQUIRED
    (joined,) = at.join(told.member_id, known=True)
    assert (joined.error, joined.generation) == (ErrorCode.NONE, 1)
    assert joined.leader == joined.member_id == told.member_id
    assert joined.members == ((told.member_id, None, b"m"),)


def test_everyone_waits_until_all_have_joined_and_the_leader_assigned(at):
    leader, follower = at.pair()
    assert leader.generation == follower.generation == 2
    assert [row[0] for row in leader.members] == [leader.member_id, follower.member_id]
    assert follower.members == ()
    assert at.group.state is State.STABLE


def test_members_are_told_to_join_again_when_someone_comes(at):
    leader, follower = at.pair()
    third = at.join()
    assert refusal(at.beat, leader) is ErrorCode.REBALANCE_IN_PROGRESS
    assert third == []
    at.join(leader.member_id)
    at.join(follower.member_id)
    assert third[0].generation == 3


def test_who_does_not_join_again_in_time_is_given_up(at):
    leader, _ = at.pair()
    third = at.join()
    again = at.join(leader.member_id)
    at.pass_ms(SESSION_MS)
    assert len(at.group.members) == 2
    assert third[0].generation == again[0].generation == 3


def test_a_round_ends_at_the_rebalance_timeout_of_those_that_still_beat(at):
    leader, follower = at.pair()
    third, again = at.join(), at.join(leader.member_id)
    for _ in range(REBALANCE_MS // 5000):
        at.pass_ms(4999)
        assert refusal(at.beat, follower) is ErrorCode.REBALANCE_IN_PROGRESS
    at.pass_ms(5000)
    assert third[0].generation == again[0].generation == 3
    assert follower.member_id not in at.group.members


def test_who_is_silent_is_given_up_and_the_others_join_again(at):
    leader, follower = at.pair()
    at.pass_ms(SESSION_MS - 1)
    at.beat(leader)
    at.pass_ms(1)
    assert list(at.group.members) == [leader.member_id]
    assert refusal(at.beat, leader) is ErrorCode.REBALANCE_IN_PROGRESS
    assert at.join(leader.member_id)[0].generation == 3
    assert refusal(at.beat, follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_leader_that_never_assigns_is_given_up(at):
    leader, follower = at.pair()
    third = at.join()
    first, second = at.join(leader.member_id), at.join(follower.member_id)
    waiting = [at.sync(second[0]), at.sync(third[0])]
    for _ in range(REBALANCE_MS // 5000):
        at.beat(first[0])
        at.pass_ms(5000)
    assert [answers[0].error for answers in waiting] == [ErrorCode.REBALANCE_IN_PROGRESS] * 2
    assert leader.member_id not in at.group.members


def test_leaving_lets_the_others_go_on_at_once(at):
    leader, follower = at.pair()
    at.groups.leave("g", leader.member_id, None, at.now_ms)
    (joined,) = at.join(follower.member_id)
    assert (joined.leader, joined.generation) == (follower.member_id, 3)
    at.groups.leave("g", follower.member_id, None, at.now_ms)
    assert at.group.state is State.EMPTY


def test_a_follower_that_joins_again_unchanged_disturbs_nobody(at):
    leader, follower = at.pair()
    (again,) = at.join(follower.member_id)
    assert (again.generation, again.members) == (2, ())
    at.beat(leader)


def test_a_member_that_knows_another_protocol_starts_a_round(at):
    leader, follower = at.pair()
    changed = at.join(follower.member_id, protocols=("sticky", "range"))
    at.join(leader.member_id)
    assert (changed[0].generation, changed[0].protocol) == (3, "range")


def test_who_shares_no_protocol_is_refused(at):
    at.pair()
    code = refusal(at.join, protocols=("other",))
    assert code is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_the_protocol_that_most_prefer_is_chosen(at):
    (a,) = at.join(protocols=("sticky", "range"))
    b, c = at.join(protocols=("range", "sticky")), at.join(protocols=("range", "sticky"))
    (again,) = at.join(a.member_id, protocols=("sticky", "range"))
    assert {found.protocol for found in (again, b[0], c[0])} == {"range"}


@pytest.mark.parametrize("generation", [1, 3])
def test_another_generation_is_refused(at, generation):
    leader, _ = at.pair()
    assert refusal(at.beat, leader, generation) is ErrorCode.ILLEGAL_GENERATION


def test_session_timeouts_have_limits(at):
    at.groups._config = BrokerConfig(at.folder, session_timeout_min_ms=SESSION_MS + 1)
    assert refusal(at.join) is ErrorCode.INVALID_SESSION_TIMEOUT


# -- static members


def test_a_static_member_that_restarts_gets_its_work_back_and_disturbs_nobody(at):
    (first,) = at.join(instance="one")
    at.sync(first, {first.member_id: b"mine"})
    (again,) = at.join(instance="one")
    assert again.member_id != first.member_id
    assert (again.generation, again.leader, again.members) == (1, first.member_id, ())
    assert at.sync(again)[0].assignment == b"mine"
    assert refusal(at.beat, first) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_static_leader_that_knows_how_is_told_not_to_assign(at):
    (first,) = at.join(instance="one")
    at.sync(first, {first.member_id: b"mine"})
    (again,) = at.join(instance="one", skip=True)
    assert again.skip_assignment
    assert again.leader == again.member_id
    assert [row[1] for row in again.members] == ["one"]


def test_the_former_holder_of_an_instance_id_is_fenced_off(at):
    (first,) = at.join(instance="one")
    at.sync(first, {first.member_id: b"mine"})
    at.join(instance="one")
    speaker = Speaker(first.member_id, "one", 1)
    code = refusal(at.groups.heartbeat, "g", speaker, at.now_ms)
    assert code is ErrorCode.FENCED_INSTANCE_ID
    assert refusal(at.join, first.member_id, instance="one") is ErrorCode.FENCED_INSTANCE_ID


# -- restarts and offsets


def test_a_settled_group_survives_a_restart_of_the_broker(at):
    leader, follower = at.pair()
    at.restart()
    at.beat(leader)
    at.beat(follower)
    assert at.sync(follower)[0].assignment == b"F"
    at.groups.check_commit("g", Speaker(leader.member_id, None, 2), at.now_ms)


def test_offsets_survive_a_restart(at):
    at.groups.commit("g", {("t", 0): Committed(5, 0, "note"), ("t", 1): Committed(6, -1, "")})
    at.restart()
    assert at.groups.offsets("g") == {
        ("t", 0): Committed(5, 0, "note"),
        ("t", 1): Committed(6, -1, ""),
    }
    at.groups.forget_topic("t")
    at.restart()
    assert at.groups.offsets("g") == {}


def test_only_members_commit_while_there_are_members(at):
    leader, _ = at.pair()
    check = at.groups.check_commit
    assert refusal(check, "g", Speaker(), 0) is ErrorCode.UNKNOWN_MEMBER_ID
    old = Speaker(leader.member_id, None, 1)
    assert refusal(check, "g", old, 0) is ErrorCode.ILLEGAL_GENERATION
    assert refusal(check, "new", Speaker("m", None, 1), 0) is ErrorCode.ILLEGAL_GENERATION
    check("new", Speaker(), 0)


def test_nothing_is_committed_between_joining_and_assignment(at):
    (joined,) = at.join()
    speaker = Speaker(joined.member_id, None, 1)
    assert refusal(at.groups.check_commit, "g", speaker, 0) is ErrorCode.REBALANCE_IN_PROGRESS


def test_a_group_with_members_is_not_deleted(at):
    leader, follower = at.pair()
    assert refusal(at.groups.delete, "g") is ErrorCode.NON_EMPTY_GROUP
    for member in (leader, follower):
        at.groups.leave("g", member.member_id, None, at.now_ms)
    at.groups.delete("g")
    at.restart()
    assert at.group is None
    assert refusal(at.groups.delete, "g") is ErrorCode.GROUP_ID_NOT_FOUND
