"""Whatever the HTTP API does, the command line does: by the names of the operations in OpenAPI."""

import runpy
from pathlib import Path

import click
import pytest

from stepwell.streams.cli.root import cli
from stepwell.streams.gateway.app import OPENAPI
from stepwell.streams.gateway.guards import Guard

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gen_schemas.py"
BY = {
    "askMany": "instances terminate --all",
    "cancelInstance": "instances cancel",
    "cancelReplay": "replay",  # Ctrl-C
    "createInstance": "trigger",
    "createInstances": "trigger --batch",
    "createReplay": "replay",
    "deleteInstance": "instances delete",
    "describeInstance": "instances describe",
    "discardDeadLetter": "dlq discard",
    "downloadDeadLetterKey": "dlq show --output --part",
    "downloadDeadLetterValue": "dlq show --output",
    "executeReplay": "replay --execute",
    "explainInstance": "explain",
    "exportHistory": "instances export",
    "getHealth": "doctor",
    "getWorkflow": "workflows describe",
    "listAttempts": "instances step --attempt",
    "listDeadLetters": "dlq list",
    "listEvents": "instances describe",
    "listInstances": "instances list",
    "listInstancesOfWorkflow": "instances list --workflow",
    "listReindexes": "reindexes list",
    "listReplays": "replays list",
    "listSchemas": "schema",
    "listSteps": "instances describe",
    "listWorkflows": "workflows list",
    "pauseInstance": "instances pause",
    "restartInstance": "instances restart --from-step",
    "resumeInstance": "instances resume",
    "retryDeadLetter": "dlq retry",
    "search": "search",
    "sendEvent": "instances send-event",
    "showAsyncApi": "schema",
    "showDeadLetter": "dlq show",
    "showReplay": "replays show",
    "showSchema": "schema",
    "showStep": "instances step",
    "similarDocuments": "search --similar-to",
    "startReindex": "reindex --source",
    "streamChanges": "instances list --watch",
    "takeEvents": "publish",
    "terminateInstance": "instances terminate --rollback",
}
OF_SERVERS = {
    "isAlive": "a probe",
    "isReady": "a probe",
    "scrapeMetrics": "Prometheus asks",
    "showOpenApi": "it is about HTTP",
    "takeWebhook": "services send them",
}


@pytest.fixture(scope="module")
def operations() -> set[str]:
    document = runpy.run_path(str(SCRIPT))["whole_api"](Guard(None))[OPENAPI].whole
    return {it["operationId"] for path in document["paths"].values() for it in path.values()}


def test_every_operation_has_a_command(operations):
    assert operations - OF_SERVERS.keys() == BY.keys()


@pytest.mark.parametrize("words", sorted(set(BY.values())))
def test_the_commands_exist_with_their_options(words):
    node: click.Command = cli
    for word in words.split():
        if word.startswith("--"):
            assert word in [name for it in node.params for name in it.opts], words
        else:
            assert isinstance(node, click.Group)
            node = node.commands[word]
    assert not isinstance(node, click.Group)
