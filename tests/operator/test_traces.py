"""What topics hold of a subject, found by folding them."""

from dataclasses import dataclass, field

import orjson

from stepwell.schemas import codec
from stepwell.schemas.commands import EventReceived
from stepwell.schemas.journal import InstanceCompleted, InstanceCreated, JournalRecord
from stepwell.schemas.parts import LATEST_MS, Origin, Parent
from stepwell.streams.operator.forgetting.traces import Kept, Traces
from stepwell.streams.views import Remainder

SUBJECT, OTHER = "github:acme/site#42", "github:acme/site#4"
EVENTS, JOURNAL = "stepwell.events", "stepwell.journal"
ID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    topic: str = JOURNAL
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_000


def event(subject: str, *, offset: int = 0, key: bytes | None = None, id_: str = ID) -> Record:
    headers = {"ce_specversion": "1.0", "ce_id": id_, "ce_source": "/x", "ce_type": "t"}
    pairs = [(name, text.encode()) for name, text in headers.items()]
    pairs.append(("ce_subject", subject.encode()))
    return Record(key or subject.encode(), b"{}", pairs, EVENTS, 3, offset)


def created(subject: str) -> InstanceCreated:
    return InstanceCreated(None, 1, Origin("e", "t", "/x", subject, EVENTS, 3, 0))


def child_of(key: str) -> InstanceCreated:
    return InstanceCreated(None, 1, parent=Parent(key, 0, "s", 1, 1, awaited=True))


def folded(*journal: tuple[str, JournalRecord], events: tuple[Record, ...] = ()) -> Traces:
    traces = Traces(SUBJECT)
    for record in events:
        traces.take_event(record)
    for offset, (key, record) in enumerate(journal):
        traces.take_journal(Record(key.encode(), codec.encode(record), offset=offset))
    traces.settle(JOURNAL)
    return traces


def lies(traces: Traces) -> list[tuple[str, int, int, int]]:
    remains = traces.remains({})
    return [(each.topic, each.first_offset, each.last_offset, each.records) for each in remains]


def test_instances_of_other_subjects_are_left_alone() -> None:
    traces = folded(
        ("a/1", created(SUBJECT)), ("a/2", created(OTHER)), ("a/3", InstanceCreated(1, 1))
    )
    assert traces.instances == ["a/1"]
    assert lies(traces) == [(JOURNAL, 0, 0, 1)]


def test_children_of_children_are_found_whatever_their_order() -> None:
    traces = folded(("c/3", child_of("b/2")), ("b/2", child_of("a/1")), ("a/1", created(SUBJECT)))
    assert traces.instances == ["a/1", "b/2", "c/3"]
    assert lies(traces) == [(JOURNAL, 0, 2, 3)]


def test_followers_are_found() -> None:
    follower = InstanceCreated({"instance": "a/1", "status": "complete", "output": "text"}, 1)
    traces = folded(("b/1", follower), ("a/1", created(SUBJECT)))
    assert traces.instances == ["a/1", "b/1"]


def test_all_records_of_an_instance_count_also_after_it_was_deleted() -> None:
    traces = folded(
        ("a/1", created(SUBJECT)),
        ("a/2", created(OTHER)),
        ("a/1", InstanceCompleted(0, 0, 1, "text")),
    )
    assert lies(traces) == [(JOURNAL, 0, 2, 2)]


def test_instances_that_only_got_an_event_are_named_and_stay() -> None:
    got = EventReceived("t", {"text": 1}, 1, ID)
    traces = folded(
        ("w/1", InstanceCreated(None, 1)),
        ("w/1", got),
        ("w/2", EventReceived("t", None, 1, "another")),
        events=(event(SUBJECT, id_=ID),),
    )
    assert (traces.instances, traces.touched) == ([], ["w/1"])


def test_events_count_by_subject_or_key_in_either_mode_and_readable_or_not() -> None:
    structured = orjson.dumps(
        {"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "subject": SUBJECT}
    )
    kind: list[tuple[str, bytes | None]] = [("content-type", b"application/cloudevents+json")]
    traces = folded(
        events=(
            event(SUBJECT, offset=1, key=b"another key"),
            Record(b"k", structured, kind, EVENTS, 3, 2),
            Record(SUBJECT.encode(), b"not JSON", [], EVENTS, 3, 3),
            event(OTHER, offset=4),
            Record(b"k", b'{"text": "%b"}' % SUBJECT.encode(), [], EVENTS, 3, 5),
        )
    )
    assert lies(traces) == [(EVENTS, 1, 3, 3)]


def test_rows_of_its_instances_count_tombstones_do_not() -> None:
    traces = folded(("a/1", created(SUBJECT)))
    rows = "rows"
    traces.take_keyed(Record(b"a/1\x00000001", b"row", topic=rows, offset=5))
    traces.take_keyed(Record(b"a/1\x00000001", None, topic=rows, offset=6))
    traces.take_keyed(Record(b"a/11\x00000001", b"row", topic=rows, offset=7))
    assert lies(traces) == [(rows, 5, 5, 1), (JOURNAL, 0, 0, 1)]


def test_letters_count_by_key_subject_and_instance() -> None:
    traces = folded(("a/1", created(SUBJECT)))
    letters = "letters"
    about: list[tuple[str, bytes | None]] = [("ce_subject", SUBJECT.encode())]
    for offset, record in enumerate(
        [
            Record(SUBJECT.encode(), b"{"),
            Record(None, b"{", about),
            Record(b"a/1", b"garbage"),
            Record(OTHER.encode(), b"{"),
        ]
    ):
        record.topic, record.offset = letters, offset
        traces.take_letter(record)
    assert lies(traces) == [(letters, 0, 2, 3), (JOURNAL, 0, 0, 1)]


def test_t5_a_time_beyond_any_calendar_is_bounded() -> None:
    late = event(SUBJECT)
    late.timestamp = 2**62
    (found,) = folded(events=(late,)).remains({EVENTS: Kept(500)})
    assert found.until_ms == LATEST_MS + 500


def test_how_long_records_stay_follows_from_the_newest_and_the_rule_of_the_topic() -> None:
    traces = folded(events=(event(SUBJECT, offset=1), event(SUBJECT, offset=9)))
    rules = {
        Kept(500): (1_500, False),
        Kept(None): (None, False),
        Kept(None, compacted=True): (None, True),
    }
    for rule, (until_ms, compacted) in rules.items():
        (found,) = traces.remains({EVENTS: rule})
        assert found == Remainder(EVENTS, 3, 1, 9, 2, until_ms, compacted)
