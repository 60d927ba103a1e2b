"""A replay as it is planned, and as it went: what people see, and what is kept to go on with it."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stepwell.streams.replay.asking import Filters, Mode
from stepwell.streams.replay.errors import InvalidReplay, PlaceNotFound, ReplayRefused
from stepwell.streams.replay.findings import Finding
from stepwell.streams.replay.ranges import Range


@dataclass(frozen=True, slots=True)
class Ticket:
    """All that a replay is: with it, whoever begins it again does the same, and nothing twice."""

    id: str
    mode: Mode
    ranges: tuple[Range, ...]
    at_ms: int
    workflow: str | None = None
    filters: Filters = field(default_factory=Filters)
    skip: tuple[str, ...] = ()
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannedRange:
    """One partition of a plan: `records` were read and counted, so gaps do not count."""

    topic: str
    partition: int
    first: int
    last: int
    """The last offset that is read; below `first` when there is none."""
    records: int
    matched: int
    """Records that pass the filters and are about instances."""
    first_ms: int | None
    last_ms: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do, were it executed."""

    ticket: Ticket
    ranges: tuple[PlannedRange, ...]
    records: int
    instances: int
    """New ones, restarted ones, or those that are computed again."""
    vectors: int
    """So many have these instances recorded: those that may change."""
    events: int = 0
    """Events that new instances are sent, as the old ones were."""
    left_alone: dict[str, int] = field(default_factory=dict)
    """Instances of these records to which nothing is done, by why."""
    unreadable: int = 0
    """Records that are no events, or that a trigger could not take."""
    steps: dict[str, int] = field(default_factory=dict)
    """For `verify`: the bodies that run, and how often."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: of `total` instances `done` were started, or computed."""

    replay_id: str
    done: int
    total: int
    ended: int = 0
    """Of those started, so many have ended."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay did."""

    replay_id: str
    mode: Mode
    done: int
    already_done: int = 0
    """Left by an earlier, interrupted execution of the same replay."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """How the started instances ended, as far as that was seen."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """For `verify`: by step, how many are same, changed, added, missing, skipped."""
    findings: tuple[Finding, ...] = ()
    """For `verify`: what is not the same."""

    @property
    def differs(self) -> bool:
        """Whether anything that was computed again is not what was recorded."""
        return bool(self.findings)


_TICKET = TypeAdapter(Ticket)


class Tickets:
    """Tickets of replays that were begun, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, ticket: Ticket) -> None:
        """Write it down, before anything is done; raises `ReplayRefused` when that fails."""
        path = self._path(ticket.id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".new").write_bytes(_TICKET.dump_json(ticket))
            path.with_suffix(".new").replace(path)
        except OSError as error:
            raise ReplayRefused(f"{path}: {error.strerror}; see worker.data_dir") from error

    def find(self, replay_id: str) -> Ticket:
        """That of an earlier replay; raises `PlaceNotFound`."""
        path = self._path(replay_id)
        try:
            return _TICKET.validate_json(path.read_bytes())
        except FileNotFoundError:
            known = sorted(each.stem for each in self._folder.glob("*.json"))
            raise PlaceNotFound(f"no replay {replay_id!r} was begun here", known[-5:]) from None
        except (OSError, ValidationError) as error:
            raise InvalidReplay(f"{path}: {error}") from error

    def _path(self, replay_id: str) -> Path:
        if not replay_id.replace("-", "").isalnum():
            raise InvalidReplay(f"{replay_id!r} is no id of a replay")
        return self._folder / f"{replay_id}.json"
