"""What workflow authors may import from `stepwell.streams`, by name."""

from stepwell import streams

PUBLIC = {
    "Backoff",
    "BlobRef",
    "BlobStore",
    "CatchUp",
    "ChildError",
    "CronSchedule",
    "DirectoryBlobStore",
    "EventTimeout",
    "EventTrigger",
    "Lane",
    "NonRetryableError",
    "Places",
    "RaceResult",
    "Rate",
    "ReceivedEvent",
    "Retention",
    "Retries",
    "RollbackContext",
    "Step",
    "StepContext",
    "StepError",
    "StreamResult",
    "Workflow",
    "WorkflowEvent",
    "Workflows",
    "on_cron",
    "on_event",
    "on_workflow",
    "send_on",
}


def test_the_public_names_are_these():
    assert set(streams.__all__) == PUBLIC
