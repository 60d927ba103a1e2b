"""What the pages of an operator's desk are shown in tests: ports with answers that are known."""

import asyncio
from dataclasses import dataclass, field, replace

from stepwell.schemas import codec
from stepwell.schemas.journal import (
    OWNER_KEY,
    AttemptFailed,
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    OwnerClaimed,
    SleepStarted,
    StepFailed,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.errors import InstanceExists, LetterNotFound, LetterRefused
from stepwell.streams.gateway.dead_letters import DeadLetters
from stepwell.streams.gateway.reindex_list import KnownReindex
from stepwell.streams.gateway.replays import FindingView, PlanView, RangeView, ReplayView
from stepwell.streams.gateway.workflows import Workflows
from stepwell.streams.graphs.catalogue import Catalogue
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.replay.errors import InvalidReplay, PlaceNotFound
from stepwell.streams.views import (
    LetterContent,
    LetterOutcome,
    LetterView,
    Preview,
    Receipt,
    ReindexStarted,
    ReindexView,
)

NOW_MS = 1_795_000_000_000
ONLINE = "stepwell.streams.examples.online:gallery"
BUILT_IN = ("stepwell.streams.workflows.reindex",)
CATALOGUE = Catalogue(ONLINE, built_in=BUILT_IN, clock=lambda: 0.0)
"""Reading it takes a moment: once is enough."""
BOOM = ErrorInfo("Boom", "it <b>broke</b>")


class Journal:
    """Partition 0 of a journal, as a read model has it."""

    def __init__(self):
        self.model = ReadModel()
        self._rows = []
        self.started = []
        self.put(OWNER_KEY.decode(), OwnerClaimed("worker", "1", NOW_MS))

    def put(self, key, record):
        row = (0, len(self._rows), key.encode(), codec.encode(record))
        self._rows.append(row)
        self.model.take([row])
        return row[1]

    def step(self, run, key, name, at_ms, took_ms, call, *, occurrence=1, attempt=1):
        self.put(
            key,
            StepSucceeded(
                run, name, occurrence, attempt, 0, at_ms, at_ms + took_ms, {"ok": True}, call=call
            ),
        )

    def pipeline(self, number, *, fails=False, retried=False):
        """One run of `data-pipeline`."""
        key, at = f"data-pipeline/p{number}", NOW_MS - 100_000 + number * 100
        run = self.put(key, InstanceCreated({"url": "x"}, at))
        if retried:
            self.put(key, AttemptFailed(run, "extract", 1, 1, 0, at, at + 5, BOOM, at + 50))
        self.step(run, key, "extract", at, 100 + number, 1, attempt=2 if retried else 1)
        self.step(run, key, "transform", at + 200, 10, 2)
        if fails:
            self.put(key, StepFailed(run, "load", 1, 3, 0, at + 300, at + 900, BOOM, call=3))
            self.put(key, InstanceErrored(run, 0, at + 1000, BOOM))
            return
        self.step(run, key, "load", at + 300, 1000 + number, 3)
        self.put(key, InstanceCompleted(run, 0, at + 2000 + number, {"loaded": 2}))

    def brief(self):
        """One run of `brief-analysis` that still sleeps; one step is in no source any more."""
        key, at = "brief-analysis/b1", NOW_MS - 50_000
        run = self.put(key, InstanceCreated({}, at))
        for place, name in enumerate(("fetch", "analyse-audience", "analyse-tone", "gone"), 1):
            self.step(run, key, name, at, 500 * place, place)
        nap = "let the rate limit of the model recover"
        self.put(key, SleepStarted(run, nap, 1, 0, at, NOW_MS + 300_000, 5))

    def workflows(self, path=ONLINE, **options):
        is_usual = path == ONLINE and not options
        catalogue = CATALOGUE if is_usual else Catalogue(path, built_in=BUILT_IN, **options)
        return Workflows(self._listed, self._statistics, catalogue)

    async def create(self, workflow, params=None, *, instance_id=None):
        """As `Control.create` does; the id `taken` is."""
        if instance_id == "taken":
            raise InstanceExists("there is an instance taken")
        self.started.append((workflow, params, instance_id))
        name = instance_id or "new-id"
        return Receipt(workflow, name, "c", "accepted", "running", "", 0, 1)

    async def _listed(self):
        return self.model.workflows()

    async def _statistics(self, name):
        return self.model.step_statistics(name)


def letter(name="0:7", **more):
    first = LetterView(
        letter=name,
        state="open",
        stage="route",
        reason="not-json",
        exception="JSONDecodeError",
        message="unexpected <script>alert(1)</script> at 3",
        workflow="",
        instance="",
        topic="stepwell.events",
        partition=3,
        offset=42,
        timestamp_ms=NOW_MS - 60_000,
        failed_ms=NOW_MS - 50_000,
        attempts=1,
        first_reason="not-json",
        first_failed_ms=NOW_MS - 50_000,
        app_version="0.1",
        key="github:acme/site#42",
        value_bytes=12,
    )
    return replace(first, **more)


@dataclass
class Letters:
    """Dead letters in memory."""

    letters: dict[str, LetterView] = field(default_factory=dict)
    value: bytes = b'{"title": "<img src=x onerror=alert(1)>"}'
    told: list[tuple[str, str, str]] = field(default_factory=list)
    refusal: str = ""

    def put(self, *letters):
        self.letters |= {it.letter: it for it in letters}

    @property
    def port(self):
        return DeadLetters(self.select, self.show, self.retry, self.discard)

    async def select(self, query, limit):
        found = [
            it
            for it in self.letters.values()
            if (query.resolved_too or it.state == "open")
            and query.reason in (None, it.reason)
            and query.topic in (None, it.topic)
            and query.subject in (None, it.key)
        ]
        return found[:limit]

    async def show(self, at):
        if str(at) not in self.letters:
            raise LetterNotFound(f"there is no dead letter {at}")
        try:
            shown = Preview("text", self.value.decode(), len(self.value), is_whole=True)
        except UnicodeDecodeError:
            shown = Preview("hex", self.value.hex(" "), len(self.value), is_whole=True)
        return LetterContent(
            self.letters[str(at)],
            (("ce_type", "issue"), ("x", "<svg onload=alert(1)>")),
            Preview("text", "github:acme/site#42", 19, is_whole=True),
            shown,
            b"github:acme/site#42",
            self.value,
        )

    async def retry(self, letters, report, note):
        return [self._settle(it, "retried", note) for it in letters]

    async def discard(self, letters, report, note):
        return [self._settle(it, "discarded", note) for it in letters]

    def _settle(self, at, state, note):
        if self.refusal:
            return LetterOutcome(str(at), False, self.refusal, LetterRefused.code)
        self.told.append((str(at), state, note))
        self.letters[str(at)] = replace(
            self.letters[str(at)], state=state, note=note, resolved_ms=NOW_MS
        )
        return LetterOutcome(str(at), True, f"{state} as stepwell.events 3:99")


@dataclass
class Reindexing:
    """Obeys `ReindexDesk`."""

    known: list[KnownReindex] = field(default_factory=list)
    asked: list[object] = field(default_factory=list)
    stopped: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def put(self, **more):
        view = ReindexView("r-1", "running", "github:acme/site", "Document", 1000, stored=250)
        view = replace(view, **more)
        self.known.append(KnownReindex(view, NOW_MS - 50_000, NOW_MS - 1_000))

    async def recent(self, limit):
        return self.known[:limit]

    async def start(self, request):
        if self.error:
            raise self.error
        self.asked.append(request)
        return ReindexStarted(request.id or "r-9", request.source)

    async def stop(self, instance_id, reason):
        self.stopped.append((instance_id, reason))
        accepted = not self.error
        verdict = "accepted" if accepted else "it has ended"
        return Receipt("reindex", instance_id, "c", verdict, "terminated", verdict, 0, 1)


PLAN = PlanView(
    "r-abc",
    "verify",
    (
        RangeView("stepwell.events", 0, 10, 29, 20, 18, NOW_MS - 9_000, NOW_MS - 1_000),
        RangeView("stepwell.events", 1, 5, 4, 0, 0, None, None, "retention has begun at 5"),
    ),
    20,
    12,
    0,
    0,
    {"still running": 3},
    1,
    {"fetch": 12, "embed": 11},
)
FINDING = FindingView("order", "o-1", "embed", 1, "changed", "float32[3] [1, 2]", "<b>x</b>")


@dataclass
class Replaying:
    """Obeys `Replays`."""

    known: dict[str, ReplayView] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)
    begun: list[tuple[object, ...]] = field(default_factory=list)

    def put(self, **more):
        view = ReplayView("r-abc", "verify", "planned", NOW_MS - 60_000, plan=PLAN)
        view = replace(view, **more)
        self.known[view.id] = view

    async def plan(self, ask):
        if ask.workflow == "wrong":
            raise InvalidReplay("there is no workflow 'wrong'")
        self.asked.append(ask)
        self.put(id="r-new", mode=ask.mode, plan=replace(PLAN, id="r-new", mode=ask.mode))
        return replace(PLAN, id="r-new", mode=ask.mode)

    async def execute(self, replay_id, *, rate=None, concurrency=None, wait=False):
        found = await self.find(replay_id)
        self.begun.append((replay_id, rate, concurrency, wait))
        self.known[replay_id] = replace(found, status="running", started_ms=NOW_MS, total=12)
        return self.known[replay_id]

    async def list(self):
        return [replace(it, plan=None, findings=()) for it in self.known.values()]

    async def find(self, replay_id):
        await asyncio.sleep(0)
        if replay_id not in self.known:
            raise PlaceNotFound(f"no replay {replay_id!r}", [])
        return self.known[replay_id]

    async def cancel(self, replay_id):
        found = await self.find(replay_id)
        if found.status == "running":
            self.known[replay_id] = replace(found, status="cancelled")
        return self.known[replay_id]
