"""What readers see of instances and of the deployment: small records for command line and API."""

from dataclasses import dataclass, field

from stepwell.schemas.events import Json
from stepwell.schemas.parts import ErrorInfo, Origin, Replay, Schedule
from stepwell.streams.stretches import AttemptView, SpanView

REDACTED = "[redacted]"
"""Stands for the result of a sensitive step, everywhere but in the workflow itself."""

AT_REST = frozenset({"complete", "errored", "terminated", "paused"})
"""Statuses in which nothing happens until somebody asks for it."""


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """One line of a listing. `updated_ms` is when its last record was appended."""

    workflow: str
    instance_id: str
    status: str
    created_ms: int
    updated_ms: int
    error: str | None = None
    """Only when it is errored."""
    reason: str | None = None
    """Why it is queued, paused or terminated."""
    subject: str | None = None
    """What the event that created it is about."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of an instance. `output` is its recorded result, `error` the last attempt's.

    The first attempt of a step body is recorded when it ends: until then there is no such view.
    """

    name: str
    occurrence: int
    status: str
    attempts: int
    started_ms: int | None = None
    finished_ms: int | None = None
    output: Json = None
    error: str | None = None
    kind: str = "do"
    until_ms: int | None = None
    """When a sleep ends, a wait gives up, or the next attempt begins."""
    event_type: str | None = None
    """What a wait waits for, with these values at these paths of the payload."""
    match: dict[str, Json] = field(default_factory=dict)
    child: str | None = None
    """The instance that a child step started: `workflow/instance`."""
    attempts_made: tuple[AttemptView, ...] = ()
    """Those that are recorded, in their order."""


@dataclass(frozen=True, slots=True)
class EventView:
    """An event that the instance was sent; `taken_by` is the wait that got it, None: it is kept."""

    type: str
    payload: Json
    at_ms: int
    event_id: str
    taken_by: str | None


@dataclass(frozen=True, slots=True)
class RollbackView:
    """How a rollback ended: `complete`, or `failed` with the error of a handler."""

    outcome: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class InstanceDetails:
    """An instance with its steps, in the order in which they were first recorded."""

    summary: InstanceSummary
    params: Json
    output: Json
    steps: tuple[StepView, ...]
    run: int = 0
    """Which run this is: the journal offset of the record that began it."""
    lane: str = "live"
    error: ErrorInfo | None = None
    rollback: RollbackView | None = None
    events: tuple[EventView, ...] = ()
    parent: str | None = None
    """The instance whose child this is: `workflow/instance`."""
    children: tuple[str, ...] = ()
    trace_id: str | None = None
    """The distributed trace in which it was created."""
    replay: Replay | None = None
    """The replay that made it, and the instance that it repeats."""
    origin: Origin | None = None
    """The event that created it, and where that lies."""
    schedule: Schedule | None = None
    """The cron expression that created it, and the time that was meant."""
    spans: tuple[SpanView, ...] = ()
    """When it was queued or paused."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a command, and where it lies in the journal."""

    workflow: str
    instance_id: str
    command_id: str
    verdict: str
    """`accepted`, or why it changed nothing."""
    status: str | None
    """The status after it; None: there is no such instance (any more)."""
    message: str
    partition: int
    offset: int
    code: str | None = None
    """The code of the error that this is."""

    @property
    def accepted(self) -> bool:
        """Whether it took effect."""
        return self.verdict == "accepted"


@dataclass(frozen=True, slots=True)
class Exported:
    """Histories, each as one line of JSON, and the instances that were left out."""

    lines: tuple[bytes, ...]
    left_out: tuple[str, ...]
    """They have sensitive results."""


@dataclass(frozen=True, slots=True)
class CheckedHistory:
    """Whether present code agrees with the history of an instance."""

    instance: str
    ok: bool
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class LetterView:
    """A dead letter without its contents. `letter` names it: `partition:offset` in its topic."""

    letter: str
    state: str
    """`open`, `retried` or `discarded`."""
    stage: str
    reason: str
    exception: str
    message: str
    workflow: str
    instance: str
    topic: str
    """Where the record lay that could not be processed, at this partition and offset."""
    partition: int
    offset: int
    timestamp_ms: int
    failed_ms: int
    attempts: int
    """How often it has failed; the first time for this reason, at this time."""
    first_reason: str
    first_failed_ms: int
    app_version: str
    key: str
    """The beginning of its key, as text."""
    value_bytes: int
    whole_bytes: int | None = None
    """When it was too large for a letter: its real size. Only its beginning is kept."""
    resolved_ms: int | None = None
    retried_as: str = ""
    """Where the retried record lies: `partition:offset` in the topic it came from."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LetterQuery:
    """Which dead letters are meant; by default all that are open."""

    reason: str | None = None
    topic: str | None = None
    """The topic that their records came from."""
    since_ms: int | None = None
    subject: str | None = None
    """What their events are about; the key of their records."""
    resolved_too: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of some bytes: text where it is UTF-8, else hexadecimal."""

    encoding: str
    shown: str
    total_bytes: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class LetterContent:
    """A dead letter with what is in it."""

    letter: LetterView
    headers: tuple[tuple[str, str], ...]
    key: Preview | None
    value: Preview | None
    raw_key: bytes | None = field(repr=False)
    raw_value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """What became of a letter that was to be retried or discarded."""

    letter: str
    done: bool
    detail: str
    code: str = ""
    """When it was not done: the code of the error."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who carries the instances of a journal partition, and how far behind it is."""

    topic: str
    partition: int
    owner: str | None
    """Client and host, as the broker knows it; None: nobody."""
    behind: int
    """Records that are not committed yet."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an instance does not advance, and what to do; `code` is for programs."""

    code: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `stepwell explain` found; without causes the instance is on its way."""

    instance: str
    status: str
    ownership: Ownership
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Remainder:
    """Records of a subject in one partition of a topic, somewhere between these offsets."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: int
    until_ms: int | None
    """From then on Kafka may delete the last of them. None: it never does by time."""
    compacted: bool = False
    """Whether they go when the topic is compacted."""


@dataclass(frozen=True, slots=True)
class ForgetPlan:
    """What there is of a subject."""

    subject: str
    instances: tuple[str, ...]
    letters: tuple[str, ...]
    touched: tuple[str, ...]
    """Instances that got an event about it, but were created by something else: they stay."""
    remains: tuple[Remainder, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted of a subject, and what stays for a while."""

    subject: str
    deleted: tuple[str, ...]
    documents: dict[str, str]
    """What became of its document, by collection."""
    discarded: tuple[str, ...]
    rows_deleted: bool
    """Whether the rows of its instances were deleted; else they are as soon as a worker runs."""
    touched: tuple[str, ...]
    remains: tuple[Remainder, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A line that is an event in Kafka now, and where."""

    line: int
    topic: str
    partition: int
    offset: int
    event_id: str
    subject: str

    @property
    def position(self) -> str:
        """Topic, partition and offset, as people write them."""
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class LineRefused:
    """A line that was not published, or not known to be, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `stepwell doctor` looked at; `advice` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ReindexStarted:
    """A re-index that goes on by itself; `existed`: it was asked for before, under this id."""

    instance_id: str
    source: str
    documents: int | None = None
    existed: bool = False


@dataclass(frozen=True, slots=True)
class ReindexView:
    """How far a re-index is: what became of the documents that were read."""

    instance_id: str
    status: str
    source: str
    collection: str | None
    """Where they are stored; None as long as that is not known."""
    documents: int | None
    """How many lines the source has, if that is known."""
    stored: int = 0
    stale: int = 0
    skipped: int = 0
    failed: int = 0
    pruned: int = 0
    failures: tuple[str, ...] = ()
    """The first of them: which document, and why."""
    note: str = ""
    """Why nothing was pruned, although it was asked for."""
    error: str | None = None
    """Why it ended early, or is paused."""

    @property
    def done(self) -> int:
        """How many were read."""
        return self.stored + self.stale + self.skipped + self.failed


def plain(value: object) -> str:
    """What JSON has no word for, in a few."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    shape = getattr(value, "shape", None)  # a numpy array, which is slow to import for this
    return str(value) if shape is None else f"{getattr(value, 'dtype', '')}{list(shape)}"


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection of the index, as a listing shows it."""

    name: str
    model: str
    """The model and its revision."""
    dimension: int
    documents: int
    current: bool
    """Whether searches go to it."""
