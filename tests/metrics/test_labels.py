"""Labels stay few, whatever names users, senders or code make up."""

from stepwell.streams.metrics import (
    EVENT_LABELS_MAX,
    OTHER,
    STEP_LABELS_MAX,
    WORKFLOW_LABELS_MAX,
    Metrics,
)


def labels(metrics: Metrics, name: str, label: str) -> set[str]:
    return {
        sample.labels[label]
        for family in metrics.registry.collect()
        if family.name == f"stepwell_{name}"
        for sample in family.samples
        if label in sample.labels
    }


def test_steps_whose_names_the_code_makes_up_become_other() -> None:
    metrics = Metrics("test")
    for number in range(STEP_LABELS_MAX + 10):
        metrics.worker.attempt_ended("order", f"page {number}", "succeeded", 0.1, "one")
    found = labels(metrics, "step_duration_seconds", "step")
    assert len(found) == STEP_LABELS_MAX + 1
    assert OTHER in found


def test_workflows_that_a_request_makes_up_become_other() -> None:
    metrics = Metrics("test")
    for number in range(WORKFLOW_LABELS_MAX + 10):
        metrics.worker.instances_started.labels(metrics.worker.workflow(f"w{number}")).inc()
    assert len(labels(metrics, "instances_started", "workflow")) == WORKFLOW_LABELS_MAX + 1


def test_reasons_of_dead_letters_stay_few() -> None:
    metrics = Metrics("test")
    for number in range(2 * EVENT_LABELS_MAX):
        metrics.worker.dead_letter(f"Error{number}")
    assert len(labels(metrics, "dead_letters", "reason")) == EVENT_LABELS_MAX + 1


def test_an_instance_id_too_long_for_an_exemplar_is_left_out() -> None:
    metrics = Metrics("test")
    metrics.worker.attempt_ended("order", "pay", "succeeded", 0.1, "x" * 120)
    assert b"# {instance=" in metrics.render_openmetrics()
    metrics = Metrics("test")
    metrics.worker.attempt_ended("order", "pay", "succeeded", 0.1, "x" * 121)
    assert b"# {" not in metrics.render_openmetrics()


def test_a_census_names_every_status_of_a_workflow_that_is_there_and_forgets_others() -> None:
    metrics = Metrics("test")
    metrics.worker.census({("gone", "running"): 3}, ("running", "complete"))
    metrics.worker.census({("order", "running"): 2}, ("running", "complete"))
    text = metrics.render()
    assert b'stepwell_instances{status="running",workflow="order"} 2.0' in text
    assert b'stepwell_instances{status="complete",workflow="order"} 0.0' in text
    assert b"gone" not in text
