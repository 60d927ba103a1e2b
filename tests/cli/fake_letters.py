"""The part of `FakeApp` that knows dead letters and subjects."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from stepwell.schemas.dead_letters import LetterId
from stepwell.streams.errors import LetterNotFound
from stepwell.streams.settings import Settings
from stepwell.streams.views import (
    ForgetPlan,
    Forgotten,
    LetterContent,
    LetterOutcome,
    LetterQuery,
    LetterView,
    Preview,
    Remainder,
)

LETTER = LetterView(
    letter="3:17",
    state="open",
    stage="route",
    reason="trigger",
    exception="KeyError",
    message="no \x1b[31mtotal",
    workflow="order",
    instance="",
    topic="stepwell.events",
    partition=3,
    offset=42,
    timestamp_ms=1_767_225_600_000,
    failed_ms=1_767_225_601_000,
    attempts=1,
    first_reason="trigger",
    first_failed_ms=1_767_225_601_000,
    app_version="0.1",
    key="github:acme/site#42",
    value_bytes=4,
)
CONTENT = LetterContent(
    LETTER,
    (("ce_id", "1"), ("stepwell-reason", "trigger")),
    Preview("text", "github:acme/site#42", 19, is_whole=True),
    Preview("hex", "00 ff", 2, is_whole=True),
    b"github:acme/site#42",
    b"\x00\xff",
)
REMAINS = (
    Remainder("stepwell.events", 3, 40, 42, 2, 1_767_830_400_000),
    Remainder("stepwell-worker-history-changelog", 1, 7, 9, 3, None, compacted=True),
)
PLAN = ForgetPlan("github:acme/site#42", ("order/one",), ("3:17",), ("audit/x",), REMAINS)
FORGOTTEN = Forgotten(
    "github:acme/site#42",
    ("order/one",),
    {"StepwellDocument": "stored"},
    ("3:17",),
    rows_deleted=True,
    touched=("audit/x",),
    remains=REMAINS,
)


class FakeLetters:
    """Answers from its fields; remembers what was resolved and how."""

    letters: ClassVar[list[LetterView]] = [LETTER]
    content: ClassVar[LetterContent] = CONTENT
    plan: ClassVar[ForgetPlan] = PLAN
    forgotten: ClassVar[Forgotten] = FORGOTTEN
    refused: ClassVar[dict[str, str]] = {}
    """By letter, the code with which it is refused."""
    stop_after: ClassVar[int | None] = None
    """Ctrl-C comes after so many letters, or parts of a subject."""

    def _answer(self, settings: Settings, *asked: object) -> None:
        raise NotImplementedError

    async def list_dead_letters(
        self, settings: Settings, query: LetterQuery, limit: int | None
    ) -> list[LetterView]:
        self._answer(settings, query, limit)
        return self.letters

    async def show_dead_letter(self, settings: Settings, letter: LetterId) -> LetterContent:
        self._answer(settings, letter)
        if str(letter) != self.content.letter.letter:
            raise LetterNotFound(f"there is no dead letter {letter}")
        return self.content

    async def retry_dead_letters(
        self,
        settings: Settings,
        letters: Sequence[LetterId],
        report: Callable[[LetterOutcome], None],
        note: str,
    ) -> list[LetterOutcome]:
        self._answer(settings, "retry", [str(letter) for letter in letters], note)
        return self._resolved(letters, report)

    async def discard_dead_letters(
        self,
        settings: Settings,
        letters: Sequence[LetterId],
        report: Callable[[LetterOutcome], None],
        note: str,
    ) -> list[LetterOutcome]:
        self._answer(settings, "discard", [str(letter) for letter in letters], note)
        return self._resolved(letters, report)

    def _resolved(
        self, letters: Sequence[LetterId], report: Callable[[LetterOutcome], None]
    ) -> list[LetterOutcome]:
        outcomes = []
        for number, letter in enumerate(letters):
            if number == self.stop_after:
                raise KeyboardInterrupt
            code = self.refused.get(str(letter), "")
            outcomes.append(LetterOutcome(str(letter), not code, code or "done", code))
            report(outcomes[-1])
        return outcomes

    async def plan_forgetting(self, settings: Settings, subject: str) -> ForgetPlan:
        self._answer(settings, "plan", subject)
        return self.plan

    async def forget_subject(
        self, settings: Settings, subject: str, report: Callable[[str], None]
    ) -> Forgotten:
        self._answer(settings, "forget", subject)
        report("1 instances deleted")
        if self.stop_after == 1:
            raise KeyboardInterrupt
        return self.forgotten
