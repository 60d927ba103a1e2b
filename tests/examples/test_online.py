"""Which examples a worker carries: those whose services the environment names."""

from pathlib import Path

import pytest

from stepwell.streams.bindings.blobs import MemoryBlobStore
from stepwell.streams.bindings.http import Http
from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.examples.offline import for_embed_content
from stepwell.streams.examples.online import (
    Services,
    bound,
    chats_of,
    notifier_of,
    open_database,
)

CHAT = {"EXAMPLES_CHAT_URL": "http://127.0.0.1:11434/v1", "EXAMPLES_CHAT_MODELS": "one, two"}
WEBHOOK = {"EXAMPLES_WEBHOOK_URL": "https://hooks.example.com/T0"}
ALONE = {"data-pipeline"}
WITH_NOTIFIER = {"approval", "user-lifecycle"}
WITH_CHAT = {"publish-pun", "brief-analysis", "image-pipeline", "invention-analysis"}
WITH_BOTH = {"scheduled-report", "count-sales"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ALONE),
        (WEBHOOK, ALONE | WITH_NOTIFIER),
        (CHAT, ALONE | WITH_CHAT),
        (CHAT | WEBHOOK, ALONE | WITH_NOTIFIER | WITH_CHAT | WITH_BOTH),
    ],
)
def test_examples_are_carried_when_their_services_are_there(
    tmp_path: Path, environ: dict[str, str], names: set[str]
):
    http = Http()
    services = Services(
        LocalSource({}),
        open_database(tmp_path / "data"),
        MemoryBlobStore(),
        chats_of(http, environ),
        notifier_of(http, environ),
    )
    found = dict(bound(for_embed_content(), services))
    assert {workflow.name for workflow in found} == names
