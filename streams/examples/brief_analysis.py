"""Read the sources of a brief, analyse them from several sides, and sum it up.

fetch (all at once) -> analyse-audience, -tone, -risks (at once) -> sleep 5 minutes -> summarise

The id of an instance is made of its brief (`brief_id`), so whoever asks for the same brief again
finds the same instance: a web page creates it, and then asks for its status until that is
`complete`. In a terminal:

    stepwell trigger brief-analysis --id ID --params '{"title": "…", "urls": ["https://…"]}'
    stepwell instances describe ID
"""

import asyncio
import hashlib
from dataclasses import dataclass

from stepwell.streams.bindings.language import LanguageModel, Question
from stepwell.streams.bindings.sources import Source
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent

SIDES = ("audience", "tone", "risks")
SOURCE_LENGTH_MAX = 20_000
"""What is read of each source: models have a limit, and so have the results of steps."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The parameters."""

    title: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """The output: the summary, and what it was made of."""

    title: str
    summary: str
    findings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    source: Source
    language: LanguageModel


def brief_id(brief: Brief) -> str:
    """The id of the instance for this brief."""
    return hashlib.sha256("\n".join((brief.title, *brief.urls)).encode()).hexdigest()[:32]


class BriefAnalysis(Workflow, name="brief-analysis"):
    """One brief, from its sources to the summary."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Brief], step: Step) -> Analysis:
        """Analyse one brief."""
        brief = event.payload
        texts = await step.map("fetch", self.fetch, brief.urls, retries=Retries(limit=3))
        answers = await asyncio.gather(
            *(step.do(f"analyse-{side}", self.analyse, side, texts) for side in SIDES)
        )
        findings = dict(zip(SIDES, answers, strict=True))
        await step.sleep("let the rate limit of the model recover", "5 minutes")
        summary = await step.do("summarise", self.summarise, brief.title, findings)
        return Analysis(brief.title, summary, findings)

    async def fetch(self, url: str) -> str:
        """The beginning of one source."""
        return (await self.env.source.fetch(url)).text()[:SOURCE_LENGTH_MAX]

    async def analyse(self, side: str, texts: list[str]) -> str:
        """What the sources say from one side."""
        task = f"Describe the {side} of the following texts in one paragraph."
        return await self.env.language.answer(Question("\n\n".join(texts), task))

    async def summarise(self, title: str, findings: dict[str, str]) -> str:
        """All findings in a few words."""
        material = "\n".join(f"{side}: {finding}" for side, finding in findings.items())
        return await self.env.language.answer(Question(material, f"Sum up the brief {title!r}."))
