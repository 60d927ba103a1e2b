"""`ChatModel`: language and image model behind an OpenAI-compatible chat endpoint."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from stepwell.schemas.events import Json
from stepwell.streams.bindings.errors import RefusedByService, WrongAnswer
from stepwell.streams.bindings.http import Http, host
from stepwell.streams.bindings.language import Question

Message = dict[str, Json]


@dataclass(frozen=True, slots=True)
class _Message:
    content: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    message: _Message
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Completion:
    choices: list[_Choice]


_COMPLETION = TypeAdapter(_Completion)


@dataclass(frozen=True, slots=True)
class ChatModel:
    """`base_url` ends before `/chat/completions`; local servers need no key."""

    http: Http
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)

    async def answer(self, question: Question) -> str:
        """The answer; raises `ServiceUnavailable`, `RefusedByService`, `WrongAnswer`."""
        task: list[Message] = [{"role": "system", "content": question.system}]
        material: Message = {"role": "user", "content": question.prompt}
        return await self._complete([*(task if question.system else []), material], question.schema)

    async def describe(self, image: bytes, media_type: str, request: str) -> str:
        """What the model says about the image; raises as `answer` does."""
        data = f"data:{media_type};base64,{base64.b64encode(image).decode()}"
        content: Json = [
            {"type": "text", "text": request},
            {"type": "image_url", "image_url": {"url": data}},
        ]
        return await self._complete([{"role": "user", "content": content}], None)

    async def _complete(self, messages: list[Message], schema: Mapping[str, Json] | None) -> str:
        body: dict[str, Json] = {"model": self.model, "messages": messages}
        if schema is not None:
            wanted = {"name": "answer", "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        page = await self.http.post(url, body, headers)
        return _text(host(url), page.content)


def _text(service: str, raw: bytes) -> str:
    try:
        completion = _COMPLETION.validate_json(raw)
    except ValidationError as error:
        raise WrongAnswer(service, f"no chat completion: {error}") from error
    if not completion.choices:
        raise WrongAnswer(service, "a completion without choices")
    choice = completion.choices[0]
    if choice.message.refusal:
        raise RefusedByService(service, choice.message.refusal)
    text = choice.message.content
    if not text or choice.finish_reason == "length":
        raise WrongAnswer(service, "the answer is empty or was cut short")
    return text
