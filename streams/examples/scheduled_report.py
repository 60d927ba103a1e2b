"""Every morning at seven, report the day before: children count, two models race to sum up.

list-regions -> a child for each batch of regions, all at once -> ask all models -> send

A schedule that passed while nothing ran is caught up once. Each child is an instance of its own,
with its own history and retries; its parent waits for all of them. Of the models the first to end
is heard; without a summary the report is sent all the same.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from stepwell.streams.bindings.database import Database
from stepwell.streams.bindings.language import LanguageModel, Question
from stepwell.streams.bindings.notifier import Notifier
from stepwell.streams.engine.errors import StepError
from stepwell.streams.engine.triggers import on_cron
from stepwell.streams.engine.workflow import Step, StepContext, Workflow, WorkflowEvent

TABLES = """
CREATE TABLE IF NOT EXISTS sales (
    region TEXT NOT NULL, day TEXT NOT NULL, amount_cents INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class ReportOrder:
    """The parameters of the report."""

    to: str
    batch_size: int = 10
    day: date | None = None
    """None: the day before."""


@dataclass(frozen=True, slots=True)
class Regions:
    """The parameters of a child."""

    day: date
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sales:
    """What a region sold on the day."""

    region: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Report:
    """The output."""

    day: date
    total_cents: int
    summary: str
    summarised_by: str


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    database: Database
    models: Mapping[str, LanguageModel]
    """By name; all are asked, the first answer is taken."""
    notifier: Notifier


class ScheduledReport(Workflow, name="scheduled-report"):
    """The report of one day."""

    triggers = (
        on_cron("0 7 * * *", time_zone="Europe/Berlin", params={"to": "sales@example.com"}),
    )
    env: Bindings

    async def run(self, event: WorkflowEvent[ReportOrder], step: Step) -> Report:
        """Count, sum up, send."""
        order = event.payload
        morning = event.schedule.scheduled_time if event.schedule else event.timestamp
        day = order.day or morning.date() - timedelta(days=1)
        regions = await step.do("list-regions", self.list_regions)
        starts = range(0, len(regions), order.batch_size)
        batches = [tuple(regions[start : start + order.batch_size]) for start in starts]
        counted: list[list[Sales]] = await asyncio.gather(
            *(step.child("count", CountSales, Regions(day, batch)) for batch in batches)
        )
        sales = [one for batch in counted for one in batch]
        total_cents = sum(one.amount_cents for one in sales)
        report = Report(day, total_cents, *await self.summary(sales, step))
        await step.do("send", self.send, order.to, report)
        return report

    async def summary(self, sales: list[Sales], step: Step) -> tuple[str, str]:
        """What the first model to end has said, and its name; nothing if it has failed."""
        names = list(self.env.models)
        asking = [step.do(f"ask {name}", self.ask, name, sales) for name in names]
        try:
            first = await step.race(*asking)
        except StepError:
            return "", ""
        return first.value, names[first.winner]

    async def list_regions(self) -> list[str]:
        """Every region, in a fixed order."""
        rows = await self.env.database.query("SELECT DISTINCT region FROM sales ORDER BY region")
        return [str(row["region"]) for row in rows]

    async def ask(self, name: str, sales: list[Sales]) -> str:
        """The day in one sentence, by one of the models."""
        material = ", ".join(f"{one.region} {one.amount_cents / 100:.2f}" for one in sales)
        question = Question(material, "Sum up these sales in one sentence.")
        return await self.env.models[name].answer(question)

    async def send(self, to: str, report: Report, context: StepContext) -> None:
        """Send the report."""
        text = f"{report.day}: {report.total_cents / 100:.2f} in all. {report.summary}".strip()
        await self.env.notifier.send(text, to=to, key=context.idempotency_key)


class CountSales(Workflow, name="count-sales"):
    """The regions of one batch."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Regions], step: Step) -> list[Sales]:
        """Count region after region."""
        regions = event.payload
        return [await step.do("count", self.count, name, regions.day) for name in regions.names]

    async def count(self, region: str, day: date) -> Sales:
        """What one region sold."""
        (row,) = await self.env.database.query(
            "SELECT sum(amount_cents) AS cents FROM sales WHERE region = ? AND day = ?",
            region,
            day.isoformat(),
        )
        return Sales(region, int(row["cents"] or 0))
