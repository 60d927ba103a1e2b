"""Judge how new an invention is: claims, literature, novelty, report, notification.

extract-claims -> search-literature (all at once) -> assess-novelty -> write-report -> notify

A source that fails is named in the output and the others count; so does a notification that cannot
be sent, and without a notifier that step is skipped. Models answer in a given shape: what does not
fit it is asked for again.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from stepwell.streams.bindings.language import LanguageModel, Question, ask_for
from stepwell.streams.bindings.notifier import Notifier
from stepwell.streams.bindings.sources import Source
from stepwell.streams.engine.errors import StepError
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import Step, StepContext, Workflow, WorkflowEvent

IMPATIENT = Retries(limit=2, delay="2 seconds")
SOURCE_LENGTH_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Invention:
    """The parameters."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What is new about the invention, as its text says."""

    claims: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]


@dataclass(frozen=True, slots=True)
class Novelty:
    """How new it is: 0 is known, 10 unheard of."""

    score: Annotated[int, Field(ge=0, le=10)]
    reasons: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """The output; `seconds` is how long each part took."""

    claims: tuple[str, ...]
    novelty: Novelty
    report: str
    failures: tuple[str, ...]
    notified: bool
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    language: LanguageModel
    source: Source
    literature: dict[str, str]
    """Addresses that are searched, by name; `{}` stands for what is looked for."""
    notifier: Notifier | None = None


class InventionAnalysis(Workflow, name="invention-analysis"):
    """One invention, from its description to the report."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Invention], step: Step) -> Assessment:
        """Assess one invention."""
        invention, watch = event.payload, Stopwatch(step)
        claims = await step.do("extract-claims", self.extract_claims, invention.description)
        watch.lap("claims")
        found, failures = await self.literature(invention.title, step)
        watch.lap("literature")
        novelty = await step.do("assess-novelty", self.assess, claims, found)
        watch.lap("novelty")
        report = await step.do("write-report", self.write, invention.title, claims, novelty)
        watch.lap("report")
        try:
            notified = self.env.notifier is not None
            if notified:
                await step.do("notify", self.notify, report, retries=IMPATIENT)
        except StepError as error:
            notified = False
            failures.append(str(error))
        watch.lap("notification")
        return Assessment(claims.claims, novelty, report, tuple(failures), notified, watch.seconds)

    async def literature(self, title: str, step: Step) -> tuple[dict[str, str], list[str]]:
        """What was found, by source, and what went wrong."""
        outcomes = await asyncio.gather(
            *(
                step.do(f"search-literature {name}", self.search, name, title, retries=IMPATIENT)
                for name in self.env.literature
            ),
            return_exceptions=True,
        )
        found: dict[str, str] = {}
        failures: list[str] = []
        for name, outcome in zip(self.env.literature, outcomes, strict=True):
            if isinstance(outcome, StepError):
                failures.append(str(outcome))
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                found[name] = outcome
        return found, failures

    async def extract_claims(self, description: str) -> Claims:
        """What is new, as the text says."""
        question = Question(description, "List what this text claims as new.")
        return await ask_for(self.env.language, Claims, question)

    async def search(self, name: str, title: str) -> str:
        """What one source has on the subject."""
        url = self.env.literature[name].format(quote(title))
        return (await self.env.source.fetch(url)).text()[:SOURCE_LENGTH_MAX]

    async def assess(self, claims: Claims, found: dict[str, str]) -> Novelty:
        """The claims held against the literature."""
        parts = ["Claims:", *claims.claims, "Literature:", *found.values()]
        question = Question("\n".join(parts), "How new are the claims, given the literature?")
        return await ask_for(self.env.language, Novelty, question)

    async def write(self, title: str, claims: Claims, novelty: Novelty) -> str:
        """The report."""
        verdict = f"Novelty {novelty.score} of 10: {novelty.reasons}"
        material = "\n".join((title, *claims.claims, verdict))
        return await self.env.language.answer(Question(material, "Write a report of one page."))

    async def notify(self, report: str, context: StepContext) -> None:
        """Send the report."""
        assert self.env.notifier is not None
        await self.env.notifier.send(report, key=context.idempotency_key)


class Stopwatch:
    """Seconds between laps, by the clock of the journal: the same in every replay."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._since = step.now()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Note what has passed since the last lap."""
        now = self._step.now()
        self.seconds[name] = (now - self._since).total_seconds()
        self._since = now
