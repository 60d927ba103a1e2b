"""Extract, transform, load: each step with the retries that suit what it touches.

extract (patient: another team's server) -> transform (never again: it is pure) -> load (quick)

Loading replaces rows of the same key, so that a second attempt, or a second run, does no harm.
"""

import csv
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from stepwell.streams.bindings.database import Database
from stepwell.streams.bindings.sources import Source
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent

TABLES = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, amount_cents INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Export:
    """The parameters: a CSV file with the columns id, customer and amount."""

    url: str


@dataclass(frozen=True, slots=True)
class Order:
    """A row as it is loaded."""

    id: str
    customer: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of the rows of a file; what is wrong with those that were left out."""

    orders: tuple[Order, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The output."""

    loaded: int
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    source: Source
    database: Database


class DataPipeline(Workflow, name="data-pipeline"):
    """One file, from where it lies to the table."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Export], step: Step) -> Report:
        """Carry one file into the table."""
        text = await step.do(
            "extract",
            self.extract,
            event.payload.url,
            retries=Retries(limit=10, delay="30 seconds", backoff="exponential"),
            timeout="2 minutes",
        )
        batch = await step.do("transform", transform, text, retries=Retries(limit=0))
        loaded = await step.do(
            "load",
            self.load,
            batch.orders,
            retries=Retries(limit=5, delay="1 second", backoff="linear"),
            timeout="30 seconds",
        )
        return Report(loaded, batch.rejected)

    async def extract(self, url: str) -> str:
        """The file."""
        return (await self.env.source.fetch(url)).text()

    async def load(self, orders: tuple[Order, ...]) -> int:
        """Write all rows, or none."""
        await self.env.database.execute_many(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?)",
            [(order.id, order.customer, order.amount_cents) for order in orders],
        )
        return len(orders)


def transform(text: str) -> Batch:
    """Rows with amounts in cents; a bad row is left out and named, the others go on."""
    orders, rejected = [], []
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        try:
            orders.append(order_of(row))
        except ValueError as error:
            rejected.append(f"line {rows.line_num}: {error}")
    return Batch(tuple(orders), tuple(rejected))


def order_of(row: dict[str, str | None]) -> Order:
    """The row as it is loaded; ValueError says what is wrong with it."""
    values = {column: (row.get(column) or "").strip() for column in ("id", "customer", "amount")}
    for column, value in values.items():
        if not value:
            raise ValueError(f"no {column}")
    try:
        cents = round(Decimal(values["amount"]) * 100)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"amount {values['amount']!r} is no number") from None
    return Order(values["id"], values["customer"], cents)
