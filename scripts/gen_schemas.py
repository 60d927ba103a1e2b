#!/usr/bin/env python3
"""Write the public contract to `schemas/json/`; --check only says whether it is fresh."""

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from stepwell.schemas.asyncapi import asyncapi
from stepwell.schemas.json_schemas import json_schemas
from stepwell.schemas.topics import Topics
from stepwell.streams.gateway.api import Instances
from stepwell.streams.gateway.app import OPENAPI, build_app
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.health import HealthApi
from stepwell.streams.gateway.reindex_list import ReindexListApi
from stepwell.streams.gateway.search_api import search_routes
from stepwell.streams.gateway.webhooks import Rules, Webhooks
from stepwell.streams.gateway.workflows import WorkflowApi

FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "json"


def whole_api(guard: Guard | None = None) -> web.Application:
    """A gateway with every route that there can be, behind which nobody is."""
    nobody: Any = None
    anybody: Any = object()
    return build_app(
        Webhooks({}, nobody, nobody, Rules(), guard or Guard(None)),
        nobody,
        nobody,
        max_body_bytes=1,
        guard=guard,
        instances=Instances(
            nobody,
            nobody,
            start_reindex=anybody,
            reader=anybody,
            replays=anybody,
            explain=anybody,
            additions=(
                search_routes(nobody),
                lambda _, guard: WorkflowApi(nobody, guard).routes(),
                lambda _, guard: ReindexListApi(nobody, guard).routes(),
                lambda _, guard: HealthApi(nobody, guard).routes(),
            ),
        ),
        dead_letters=anybody,
    )


def files() -> dict[Path, bytes]:
    """What the folder must hold."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    documents = {f"{name}.schema.json": schema for name, schema in json_schemas().items()}
    documents["asyncapi.json"] = asyncapi(Topics())
    documents["openapi.json"] = whole_api()[OPENAPI].whole
    return {FOLDER / name: orjson.dumps(it, option=options) for name, it in documents.items()}


def main() -> int:
    """Write or check; 1 when a file is missing, stale or left over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when stale")
    check = parser.parse_args().check
    wanted = files()
    here = {path: path.read_bytes() for path in FOLDER.glob("*.json")}
    stale = sorted(
        path.name for path in wanted.keys() | here.keys() if here.get(path) != wanted.get(path)
    )
    if check:
        print(f"stale: {', '.join(stale)}; run scripts/gen_schemas.py" if stale else "fresh")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in here.keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.write_bytes(content)
    print(f"wrote {len(wanted)} documents, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
