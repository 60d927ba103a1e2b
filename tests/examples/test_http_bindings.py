"""The bindings over HTTP, against a server of ours: what is sent, and what each answer means."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from stepwell.streams.bindings.chat import ChatModel
from stepwell.streams.bindings.errors import RefusedByService, ServiceUnavailable, WrongAnswer
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.language import Question, ask_for
from stepwell.streams.bindings.notifier import WebhookNotifier
from stepwell.streams.bindings.sources import HttpSource
from stepwell.streams.engine.errors import NonRetryableError


@dataclass
class Service:
    """Answers every call with the next of its answers, and remembers what it was sent."""

    answers: list[web.Response] = field(default_factory=list)
    calls: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append((request.method, request.path_qs, dict(request.headers), body))
        return self.answers.pop(0)

    def will_say(self, text: str | None, **choice: object) -> None:
        message = {"role": "assistant", "content": text}
        self.answers.append(web.json_response({"choices": [{"message": message, **choice}]}))

    @property
    def sent(self) -> dict[str, object]:
        return json.loads(self.calls[-1][3])


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    ours = Service()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", ours.handle)
    async with TestServer(application) as server:
        ours.url = str(server.make_url("/v1"))
        yield ours


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(answer_bytes_max=10_000, private=True) as ours:
        yield ours


@pytest.fixture
def model(http: Http, service: Service) -> ChatModel:
    return ChatModel(http, service.url, "small-model", api_key="secret-key")


async def test_a_question_goes_to_the_chat_endpoint(model: ChatModel, service: Service):
    service.will_say("A joke about bread.")
    answer = await model.answer(Question("I loaf you", system="Explain."))
    method, path, headers, _ = service.calls[0]
    assert answer == "A joke about bread."
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert headers["Authorization"] == "Bearer secret-key"
    assert service.sent == {
        "model": "small-model",
        "messages": [
            {"role": "system", "content": "Explain."},
            {"role": "user", "content": "I loaf you"},
        ],
    }


async def test_a_local_server_is_asked_without_a_key(http: Http, service: Service):
    service.will_say("yes")
    await ChatModel(http, f"{service.url}/", "any").answer(Question("?"))
    _, path, headers, _ = service.calls[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers


@dataclass(frozen=True)
class Verdict:
    acceptable: bool
    reason: str = ""


async def test_an_answer_of_a_shape_is_asked_for_by_its_schema(model: ChatModel, service: Service):
    service.will_say('```json\n{"acceptable": false, "reason": "old"}\n```')
    verdict = await ask_for(model, Verdict, Question("a pun"))
    assert verdict == Verdict(acceptable=False, reason="old")
    wanted = service.sent["response_format"]["json_schema"]["schema"]
    assert set(wanted["properties"]) == {"acceptable", "reason"}


@pytest.mark.parametrize("said", ["I think it is fine", '{"reason": "no verdict"}', "[]"])
async def test_an_answer_of_another_shape_is_worth_another_try(
    model: ChatModel, service: Service, said: str
):
    service.will_say(said)
    with pytest.raises(WrongAnswer, match="no Verdict"):
        await ask_for(model, Verdict, Question("a pun"))


async def test_an_answer_that_was_cut_short_is_not_taken(model: ChatModel, service: Service):
    service.will_say("It begins well and", finish_reason="length")
    with pytest.raises(WrongAnswer, match="cut short"):
        await model.answer(Question("?"))


@pytest.mark.parametrize("body", [b"{}", b'{"choices": []}', b"<html>"])
async def test_what_is_no_completion_is_not_taken(model: ChatModel, service: Service, body: bytes):
    service.answers.append(web.Response(body=body))
    with pytest.raises(WrongAnswer):
        await model.answer(Question("?"))


async def test_a_model_that_refuses_is_not_asked_again(model: ChatModel, service: Service):
    message = {"content": None, "refusal": "I will not"}
    service.answers.append(web.json_response({"choices": [{"message": message}]}))
    with pytest.raises(NonRetryableError, match="I will not"):
        await model.answer(Question("?"))


async def test_an_image_travels_inside_the_question(model: ChatModel, service: Service):
    service.will_say("A cat.")
    assert await model.describe(b"pixels", "image/png", "What is it?") == "A cat."
    _, image = service.sent["messages"][0]["content"]
    data = base64.b64encode(b"pixels").decode()
    assert image["image_url"]["url"] == f"data:image/png;base64,{data}"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_service_that_cannot_now_is_called_again(http: Http, service: Service, status: int):
    service.answers.append(web.Response(status=status, text="later"))
    with pytest.raises(ServiceUnavailable, match=f"{status} later") as caught:
        await http.get(service.url)
    assert not isinstance(caught.value, NonRetryableError)


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_service_that_will_not_is_left_alone(http: Http, service: Service, status: int):
    service.answers.append(web.Response(status=status, text="no"))
    with pytest.raises(RefusedByService, match=f"{status} no") as caught:
        await http.get(service.url)
    assert isinstance(caught.value, NonRetryableError)


async def test_a_service_that_is_not_there_is_called_again(http: Http):
    server = TestServer(web.Application())
    await server.start_server()
    url = str(server.make_url("/"))
    await server.close()
    with pytest.raises(ServiceUnavailable, match="no answer"):
        await http.get(url)


async def test_what_is_no_address_is_refused(http: Http):
    with pytest.raises(RefusedByService):
        await http.get("not an address")


async def test_an_answer_without_end_is_refused(http: Http, service: Service):
    service.answers.append(web.Response(body=b"x" * 10_001))
    with pytest.raises(RefusedByService, match="more than 10000 bytes"):
        await http.get(service.url)


async def test_a_webhook_gets_the_text_and_a_key(http: Http, service: Service):
    service.answers += [web.Response(text="ok"), web.Response(text="ok")]
    notifier = WebhookNotifier(http, f"{service.url}/hooks/T0/secret")
    await notifier.send("Done.", key="report/1")
    assert service.sent == {"text": "Done."}
    assert service.calls[0][2]["Idempotency-Key"] == "report/1"
    await notifier.send("Hello.", key="mail/1", to="ada@example.com")
    assert service.sent == {"text": "Hello.", "to": "ada@example.com"}


async def test_secrets_are_not_in_messages(http: Http, service: Service, model: ChatModel):
    service.answers.append(web.Response(status=500))
    notifier = WebhookNotifier(http, f"{service.url}/hooks/T0/secret")
    with pytest.raises(ServiceUnavailable) as caught:
        await notifier.send("Done.", key="report/1")
    assert "secret" not in f"{caught.value} {notifier!r} {model!r}"


async def test_a_source_gives_the_page_and_its_type(http: Http, service: Service):
    service.answers.append(web.json_response({"a": 1}))
    page = await HttpSource(http, {"Authorization": "Bearer t"}).fetch(service.url)
    assert (page.media_type, page.json()) == ("application/json", {"a": 1})
    assert service.calls[0][2]["Authorization"] == "Bearer t"


async def test_a_page_that_should_be_json_and_is_not(http: Http, service: Service):
    service.answers.append(web.Response(text="<html>"))
    page = await HttpSource(http).fetch(service.url)
    with pytest.raises(WrongAnswer, match="no JSON"):
        page.json()
