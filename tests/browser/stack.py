"""A whole Stepwell behind a browser: broker, worker and gateway as processes of their own."""

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp

from stepwell.models import find_preset, model_directory, pull
from tests.broker_process import broker_process
from tests.e2e.deployment import STEPWELL, Deployment, free_port

TIMEOUT_S = 60
POLL_S = 0.05

T = TypeVar("T")


@dataclass
class Stack:
    """What tests do to it beside the browser: over HTTP, and with the command line."""

    deployment: Deployment
    mended: Path
    """Once this file is there, the events of `picky` are taken."""

    @property
    def url(self) -> str:
        return self.deployment.gateway_url

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask("GET", path)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self._ask("POST", path, body or {})

    def create(self, workflow: str, params: Any = None, instance_id: str | None = None) -> str:
        """A new instance; its id."""
        wanted = {"id": instance_id or f"{workflow}-{uuid.uuid4().hex[:8]}", "params": params}
        status, answer = self.post(f"/api/v1/workflows/{workflow}/instances", wanted)
        assert status == 201, answer
        return str(answer["instance_id"])

    def instance(self, workflow: str, instance_id: str) -> dict[str, Any]:
        status, answer = self.get(
            f"/api/v1/workflows/{workflow}/instances/{quote(instance_id, safe='')}"
        )
        assert status == 200, answer
        found: dict[str, Any] = answer
        return found

    def started(self, workflow: str, params: Any = None, *, until: str) -> str:
        """A new instance that has come to a status; its id."""
        instance_id = self.create(workflow, params)
        self.until(workflow, instance_id, until)
        return instance_id

    def until(self, workflow: str, instance_id: str, status: str) -> dict[str, Any]:
        """Wait until the instance has this status."""
        end = time.monotonic() + TIMEOUT_S
        while (found := self.instance(workflow, instance_id))["summary"]["status"] != status:
            assert time.monotonic() < end, (status, found)
            time.sleep(POLL_S)
        return found

    def until_answer(self, path: str, wanted: Any) -> Any:
        """Wait until what is answered there is as wanted."""
        end = time.monotonic() + TIMEOUT_S
        while not wanted(found := self.get(path)[1]):
            assert time.monotonic() < end, found
            time.sleep(POLL_S)
        return found

    def stepwell(self, *arguments: str, given: str = "", exits: int | None = 0) -> str:
        """Run the command line in this deployment; what it prints."""
        done = subprocess.run(
            [STEPWELL, *arguments],
            input=given,
            env=os.environ | self.deployment.environ,
            cwd=self.deployment.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert exits in (None, done.returncode), (done.stdout, done.stderr)
        return done.stdout

    def publish(self, *events: dict[str, Any]) -> None:
        """Append CloudEvents to the topic of events."""
        lines = [json.dumps({"specversion": "1.0", "source": "test"} | each) for each in events]
        self.stepwell("publish", given="\n".join(lines))

    def webhook(self, *issues: dict[str, Any]) -> None:
        """Tell it of issues, as GitHub does."""

        async def send() -> None:
            async with aiohttp.ClientSession() as client:
                for issue in issues:
                    delivery = str(uuid.uuid4())
                    payload = issue_opened(issue)
                    status, answer = await self.deployment.post(client, "issues", delivery, payload)
                    assert status == 202, answer

        run(send())

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        if token := self.deployment.environ.get("STEPWELL_GATEWAY_TOKEN"):
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


def issue_opened(issue: dict[str, Any]) -> dict[str, Any]:
    known = {
        "title": "An issue",
        "body": "",
        "state": "open",
        "html_url": "https://github.com/acme/site/issues/1",
        "updated_at": "2026-11-01T00:00:00Z",
        "labels": [],
    }
    return {
        "action": "opened",
        "repository": {"full_name": "acme/site"},
        "issue": known | issue,
    }


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """A stack that is ready, with nothing in it."""
    preset = find_preset("all-MiniLM-L6-v2")
    pull(preset, model_directory(preset.name))
    mended = folder / "mended"
    with broker_process(folder / "broker") as broker:
        deployment = Deployment.create(
            folder,
            broker.address,
            f"sqlite://{quote(str(folder / 'index.db'))}",
            STEPWELL_WORKER_WORKFLOWS="tests.browser.flows:everything",
            STEPWELL_TEST_MENDED=str(mended),
            STEPWELL_WORKER_DATA_DIR=str(folder / "data"),
        )
        try:
            run(deployment.start_worker())
            run(deployment.start_gateway())
            yield Stack(deployment, mended)
        finally:
            deployment.close()


@contextmanager
def guarded_gateway(stack: Stack, folder: Path, **settings: str) -> Iterator[Stack]:
    """One more gateway of the same deployment, with settings of its own."""
    own = {
        "STEPWELL_GATEWAY_PORT": str(free_port()),
        "STEPWELL_READMODEL_DIR": str(folder / "readmodel"),
    }
    deployment = Deployment(folder, stack.deployment.environ | own | settings)
    try:
        run(deployment.start_gateway())
        yield Stack(deployment, stack.mended)
    finally:
        deployment.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a thread, because Playwright keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
