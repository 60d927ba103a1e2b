"""`PunBook`: the table of puns, which the site and the workflow share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stepwell.streams.bindings.database import Database, Row
from stepwell.streams.examples import publish_pun
from stepwell.streams.examples.pun_site.texts import number_of

TABLES = f"""
PRAGMA journal_mode=WAL;
{publish_pun.TABLES}
CREATE INDEX IF NOT EXISTS puns_by_age ON puns(status, updated_at, id);
"""
FIRST_PUNS = (
    "I used to be a baker, but I could not make enough dough",
    "A baker kneads his dough, and his dough needs him",
    "Time flies like an arrow, fruit flies like a banana",
    "The bakery burned down; now the business is toast",
    "Never trust an atom, they make up everything",
    "I am reading a book about helium: I cannot put it down",
    "The computer was cold because it had left its windows open",
    "Why do bees have sticky hair? Because they use honeycombs",
    "A clock that is hungry goes back four seconds",
    "I was going to tell a pun about pasta, but it was too cheesy",
    "The beaver went to the website: it wanted to log on",
    "What do you call cheese that is not yours? Nacho cheese",
    "The band of shellfish had a lot of mussels but no bass",
    "A moth went to the dentist because the light was on",
    "My calendar is worried: its days are numbered",
    "The damned pun that the moderator will not let through",
)
_COLUMNS = "id, text, updated_at, status, reason, categories"


@dataclass(frozen=True, slots=True)
class PunRow:
    """A pun, wherever it is on its way."""

    id: int
    text: str
    updated_at: str
    status: str
    """`draft`, `published` or `rejected`."""
    reason: str
    categories: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> Self:
        """A row of the table."""
        names = str(row["categories"] or "").split(", ")
        return cls(
            int(str(row["id"])),
            str(row["text"]),
            str(row["updated_at"]),
            str(row["status"]),
            str(row["reason"] or ""),
            tuple(name for name in names if name),
        )


@dataclass(frozen=True, slots=True)
class PunPage:
    """Some puns, newest first; `following` leads to those that follow, None: there are none."""

    puns: tuple[PunRow, ...]
    following: str | None


class PunBook:
    """What the site knows of puns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, text: str) -> int:
        """The number of this pun, which is there from now on; a pun that was there is left alone.

        One statement: whoever asks twice, even at the same time, adds one pun.
        """
        number = number_of(text)
        await self._database.query(
            "INSERT INTO puns (id, text, updated_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
            number,
            text,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        return number

    async def add_first_puns(self) -> None:
        """Give an empty book something to read."""
        if not await self._database.query("SELECT id FROM puns LIMIT 1"):
            for text in FIRST_PUNS:
                await self.add(text)

    async def find(self, number: int) -> PunRow | None:
        """One pun."""
        sql = f"SELECT {_COLUMNS} FROM puns WHERE id = ?"  # noqa: S608 - ours
        rows = await self._database.query(sql, number)
        return PunRow.of(rows[0]) if rows else None

    async def published(self, *, limit: int, after: str | None = None) -> PunPage:
        """Puns for everybody, newest first, `after` the last page."""
        moment, _, number = (after or "").partition("~")
        known = after is not None and number.isascii() and number.isdecimal() and len(number) < 19
        rows = await self._database.query(
            f"SELECT {_COLUMNS} FROM puns WHERE status = 'published'"  # noqa: S608 - ours
            " AND (? = '' OR (updated_at, id) < (?, ?)) ORDER BY updated_at DESC, id DESC LIMIT ?",
            *((moment, moment, int(number)) if known else ("", "", 0)),
            limit + 1,
        )
        puns = tuple(PunRow.of(row) for row in rows[:limit])
        last = puns[-1] if len(rows) > limit else None
        return PunPage(puns, f"{last.updated_at}~{last.id}" if last else None)

    async def drafts(self, limit: int) -> list[int]:
        """The numbers of those that nobody has decided on yet, the oldest first."""
        rows = await self._database.query(
            "SELECT id FROM puns WHERE status = 'draft' ORDER BY updated_at, id LIMIT ?", limit
        )
        return [int(str(row["id"])) for row in rows]
