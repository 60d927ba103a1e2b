"""Language models: what is asked of them, and answers of a given shape."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import WrongAnswer

T = TypeVar("T")

_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: `system` is the task, `prompt` the material."""

    prompt: str
    system: str = ""
    schema: Mapping[str, Json] | None = None
    """The JSON schema of the answer; None for free text."""


class LanguageModel(Protocol):
    """Answers questions."""

    async def answer(self, question: Question) -> str:
        """The answer; raises `ServiceUnavailable`, `RefusedByService`, `WrongAnswer`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalModel:
    """Answers with a function of the question."""

    reply: Callable[[Question], str]

    async def answer(self, question: Question) -> str:
        """What the function returns."""
        return self.reply(question)


async def ask_for(model: LanguageModel, shape: type[T], question: Question) -> T:
    """An answer as an object of `shape`, a dataclass or pydantic model; else `WrongAnswer`."""
    adapter = TypeAdapter(shape)
    asked = Question(question.prompt, question.system, adapter.json_schema())
    text = await model.answer(asked)
    try:
        return adapter.validate_json(_FENCE.sub("", text.strip()))
    except ValidationError as error:
        raise WrongAnswer("language model", f"no {shape.__name__}: {error}") from error


def first_sentence(question: Question) -> str:
    """A reply for `LocalModel`: the beginning of the material."""
    return re.split(r"(?<=[.!?])\s", question.prompt.strip(), maxsplit=1)[0]
