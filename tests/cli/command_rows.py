"""What a row of the table of commands is."""

from dataclasses import dataclass

OK, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE = range(6)
INTERRUPTED = 130


@dataclass(frozen=True)
class Bad:
    """Words that are wrong, the exit code, and a part of what stderr says."""

    words: str
    code: int
    says: str
    stdin: str | None = None
    prints: bool = False
    """Something is on stdout all the same: a plan, before the question."""


@dataclass(frozen=True)
class Row:
    """How a command is called. `{tmp}` is a folder with `lines.jsonl` in it."""

    words: str
    """Words that go well."""
    says: str
    """A part of what they print."""
    json_has: str = ""
    """A part of what they print with `--json`; nothing where `no_json` says why."""
    no_json: str = ""
    bad: tuple[Bad, ...] = ()
    asks: bool = True
    """Whether it asks the app, which may be unreachable."""
    elsewhere: tuple[str, ...] = ()
    """The tests that hold its output, its JSON and its bad input, where it cannot run here."""
