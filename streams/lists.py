"""What readers may ask of many instances, and what they are given: pages, counts, changes."""

from dataclasses import dataclass

from stepwell.streams.views import InstanceSummary


@dataclass(frozen=True, slots=True)
class InstanceFilters:
    """Which instances are wanted; None: whatever it is."""

    workflow: str | None = None
    status: str | None = None
    statuses: tuple[str, ...] = ()
    """Any of them; none: whatever it is."""
    created_from_ms: int | None = None
    created_before_ms: int | None = None
    id_prefix: str | None = None
    subject: str | None = None
    text: str | None = None
    """To be found in id, error or subject; upper and lower case of ASCII are the same."""


@dataclass(frozen=True, slots=True)
class InstancePage:
    """Some instances, newest first; `cursor` leads to those that follow, None: there are none."""

    instances: tuple[InstanceSummary, ...]
    cursor: str | None = None
    place: str = ""
    """What happens later is told by the stream of changes from here on."""


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """An instance to which something has happened, last by the record that lies there."""

    partition: int
    offset: int
    workflow: str
    instance_id: str
    status: str | None
    """None: it was deleted."""
    updated_ms: int


@dataclass(frozen=True, slots=True)
class News:
    """Changes, and the place after them; None: some were missed, everything must be read anew."""

    place: str
    changes: tuple[InstanceChange, ...] | None


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """A workflow that has instances, and how many are in which status."""

    name: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """How a step of a workflow went in some of its instances; all of its occurrences together."""

    name: str
    kind: str
    count: int
    """How often it has ended, or is under way."""
    complete: int
    failed: int
    attempts: int
    """All of them together."""
    p50_ms: int | None
    """From the beginning of its first attempt to its end, waiting for retries included."""
    p95_ms: int | None


@dataclass(frozen=True, slots=True)
class WorkflowStatistics:
    """How a workflow goes: its instances by status, and the steps of the newest of them."""

    workflow: str
    counts: dict[str, int]
    sampled: int
    """The statistics of steps are those of so many instances, the newest ones."""
    steps: tuple[StepStatistics, ...]
    p50_ms: int | None = None
    """From creation to completion, of those of them that are complete."""
    p95_ms: int | None = None

    @property
    def total(self) -> int:
        """How many instances there are."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Pulse:
    """How many instances are in which status, and when something happened to one last."""

    counts: dict[str, int]
    last_ms: int | None
