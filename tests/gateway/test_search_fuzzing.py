"""Schemathesis against the search of a gateway: no 5xx, and nothing that is not documented."""

import asyncio

import orjson
import pytest
from aiohttp import web

from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.openapi import openapi
from stepwell.streams.gateway.operations import problems
from stepwell.streams.gateway.search_api import SearchApi
from stepwell.streams.gateway.server import make_runner
from tests.gateway.searched import DOCUMENTS, searching_in
from tests.gateway.test_fuzzing import CHECKS, SCHEMATHESIS

pytestmark = pytest.mark.slow

TOKEN = "a long random token, of a test"
EXAMPLES_MAX = 60
TIME_MAX_S = 200


def document_of(routes):
    """The document, in which documents that there are may be asked for."""
    document = openapi(routes)
    for item in document["paths"].values():
        for parameter in item["get"]["parameters"]:
            if parameter["name"] == "key":
                there = {"enum": [it.key for it in DOCUMENTS]}
                parameter["schema"] = {"anyOf": [there, parameter["schema"]]}
    return document


async def test_no_query_makes_it_fail_or_answer_what_is_not_documented(tmp_path):
    async with searching_in(tmp_path) as search:
        routes = SearchApi(search, Guard(TOKEN)).routes()
        app = web.Application(middlewares=[problems])
        app.add_routes(routes)
        runner = make_runner(app, shutdown_timeout_s=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        file = tmp_path / "openapi.json"
        file.write_bytes(orjson.dumps(document_of(routes)))
        process = await asyncio.create_subprocess_exec(
            SCHEMATHESIS,
            *("run", str(file), "--url", f"http://{host}:{port}", "--checks", ",".join(CHECKS)),
            *("--header", f"Authorization: Bearer {TOKEN}", "--max-examples", str(EXAMPLES_MAX)),
            *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"),
            *("--seed", "7", "--output-truncate", "false", "--warnings", "off", "--no-shrink"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(TIME_MAX_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await runner.cleanup()
    assert process.returncode == 0, said.decode()
