"""What workflow authors may import from `stepwell.streams`, by name."""

from stepwell import streams

PUBLIC = {
    "Backoff",
    "EventTrigger",
    "NonRetryableError",
    "Retries",
    "Step",
    "StepContext",
    "StepError",
    "Workflow",
    "WorkflowEvent",
    "Workflows",
    "on_event",
}


def test_the_public_names_are_these():
    assert set(streams.__all__) == PUBLIC
