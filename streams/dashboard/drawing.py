"""The timeline of an instance as bars: what ran, what waited, and for what."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stepwell.streams.dashboard.texts import duration
from stepwell.streams.stretches import AttemptView
from stepwell.streams.views import InstanceDetails, StepView

WIDTH = 1000.0
BAR_WIDTH_MIN = 3.0
BARS_PER_STEP = 24
SAID_ONE_BY_ONE = 8
"""More bars than that are summed up in words."""
TICKS = 4
_WHOLE = {"sleep": "sleep", "wait": "wait", "child": "child"}
"""Steps of these kinds are one bar."""
MEANINGS = {
    "run": "an attempt ran",
    "failed": "an attempt failed",
    "backoff": "waits before the next attempt",
    "queue": "waits for a place",
    "sleep": "sleeps",
    "wait": "waits for an event",
    "child": "waits for a child",
    "paused": "is paused",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time of a step, or of the instance; open: it goes on."""

    kind: str
    from_ms: int
    until_ms: int
    is_open: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch in the drawing, whose width is `WIDTH`."""

    kind: str
    x: float
    width: float
    is_open: bool
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the drawing."""

    label: str
    anchor: str
    """The id of the row about it, empty: there is none."""
    bars: tuple[Bar, ...]
    text: str
    """The bars in words."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lanes over the same time."""

    lanes: tuple[Lane, ...]
    from_ms: int
    until_ms: int
    ticks: tuple[str, ...]
    """What lies at even distances, from the beginning to the end."""
    kinds: tuple[str, ...]
    """Which sorts of bars there are."""


def draw(
    details: InstanceDetails, steps: Sequence[StepView], now_ms: int, *, first: int = 1
) -> Drawing:
    """The instance and these steps of it, as they are now; `first` is the place of the first."""
    found = [
        (name_of(step), f"step-{first + at}", list(_of_step(step, now_ms)))
        for at, step in enumerate(steps)
    ]
    spans = list(_of_instance(details, now_ms))
    if spans:
        found.insert(0, ("the instance", "", spans))
    everything = [stretch for _, _, stretches in found for stretch in stretches]
    from_ms, until_ms = _range(details, everything, now_ms)
    lanes = tuple(
        Lane(
            label,
            anchor,
            tuple(_bar(it, from_ms, until_ms) for it in stretches[-BARS_PER_STEP:]),
            _words(stretches, from_ms),
        )
        for label, anchor, stretches in found
    )
    length_ms = until_ms - from_ms
    ticks = tuple(duration(length_ms * tick // TICKS) for tick in range(TICKS + 1))
    used = {stretch.kind for stretch in everything}
    kinds = tuple(kind for kind in MEANINGS if kind in used)
    return Drawing(lanes, from_ms, until_ms, ticks, kinds)


def name_of(step: StepView) -> str:
    """A step as people tell it from others: its number where there may be several."""
    return step.name if step.occurrence == 1 else f"{step.name} #{step.occurrence}"


def _of_step(step: StepView, now_ms: int) -> Iterator[Stretch]:
    if step.kind in _WHOLE or not step.attempts_made:
        if step.started_ms is not None:
            is_open = step.finished_ms is None and step.status != "cancelled"
            until_ms = _until(step, now_ms)
            yield Stretch(_WHOLE.get(step.kind, "run"), step.started_ms, until_ms, is_open)
        return
    for at, attempt in enumerate(step.attempts_made):
        following = step.attempts_made[at + 1 :][:1]
        yield _of_attempt(attempt, now_ms, following)
        yield from _between(step, attempt, following, now_ms)


def _until(step: StepView, now_ms: int) -> int:
    if step.finished_ms is not None:
        return step.finished_ms
    return now_ms if step.status != "cancelled" else step.started_ms or now_ms


def _of_attempt(attempt: AttemptView, now_ms: int, following: Sequence[AttemptView]) -> Stretch:
    kind = "run" if attempt.outcome in ("succeeded", "running") else "failed"
    is_open = attempt.outcome == "running"
    lost_ms = following[0].started_ms if following else attempt.started_ms
    until_ms = attempt.finished_ms or (now_ms if is_open else lost_ms)
    note = f"attempt {attempt.number} {attempt.outcome}"
    return Stretch(kind, attempt.started_ms, until_ms, is_open, note)


def _between(
    step: StepView, attempt: AttemptView, following: Sequence[AttemptView], now_ms: int
) -> Iterator[Stretch]:
    """What passes until the next attempt: the delay that was set, then a wait for a place."""
    if attempt.finished_ms is None or attempt.retry_at_ms is None:
        return
    is_open = not following and step.status == "retrying"
    if not following and not is_open:
        return
    until_ms = now_ms if is_open else following[0].started_ms
    delayed_ms = min(attempt.retry_at_ms, until_ms)
    if delayed_ms > attempt.finished_ms:
        is_delay = is_open and until_ms < attempt.retry_at_ms
        yield Stretch("backoff", attempt.finished_ms, delayed_ms, is_delay)
    if until_ms > attempt.retry_at_ms:
        yield Stretch("queue", attempt.retry_at_ms, until_ms, is_open)


def _of_instance(details: InstanceDetails, now_ms: int) -> Iterator[Stretch]:
    for span in details.spans:
        kind = "queue" if span.kind == "queued" else "paused"
        ended_ms = span.finished_ms
        if ended_ms is None and details.summary.status in ("errored", "terminated", "complete"):
            ended_ms = details.summary.updated_ms
        yield Stretch(kind, span.started_ms, ended_ms or now_ms, ended_ms is None, span.reason)


def _range(details: InstanceDetails, stretches: Iterable[Stretch], now_ms: int) -> tuple[int, int]:
    """From the creation, unless the present run began long after it, to the end or to now."""
    found = list(stretches)
    created_ms = details.summary.created_ms
    first_ms = min((it.from_ms for it in found), default=created_ms)
    last_ms = max((it.until_ms for it in found), default=details.summary.updated_ms)
    is_over = details.summary.status in ("errored", "terminated", "complete")
    until_ms = max(last_ms, details.summary.updated_ms) if is_over else max(last_ms, now_ms)
    is_near = first_ms - created_ms <= max(1_000, until_ms - first_ms)
    from_ms = min(created_ms, first_ms) if is_near else first_ms
    return from_ms, max(until_ms, from_ms + 1)


def _bar(stretch: Stretch, from_ms: int, until_ms: int) -> Bar:
    scale = WIDTH / (until_ms - from_ms)
    width = max(BAR_WIDTH_MIN, (stretch.until_ms - stretch.from_ms) * scale)
    x = min(max(0.0, (stretch.from_ms - from_ms) * scale), WIDTH - BAR_WIDTH_MIN)
    shown = min(width, WIDTH - x)
    text = _text(stretch, from_ms)
    return Bar(stretch.kind, round(x, 1), round(shown, 1), stretch.is_open, text)


def _words(stretches: Sequence[Stretch], from_ms: int) -> str:
    if len(stretches) <= SAID_ONE_BY_ONE:
        return "; ".join(_text(it, from_ms) for it in stretches)
    sums: dict[str, list[int]] = {}
    for it in stretches:
        sums.setdefault(it.kind, []).append(max(0, it.until_ms - it.from_ms))
    return "; ".join(
        f"{MEANINGS[kind]}: {len(found)} times, {duration(sum(found))}"
        for kind, found in sums.items()
    )


def _text(stretch: Stretch, from_ms: int) -> str:
    what = stretch.note or MEANINGS[stretch.kind]
    length = duration(max(0, stretch.until_ms - stretch.from_ms))
    so_far = " so far" if stretch.is_open else ""
    return f"{what}: {length}{so_far}, from {duration(max(0, stretch.from_ms - from_ms))}"
