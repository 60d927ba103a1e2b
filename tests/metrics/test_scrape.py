"""What Prometheus gets of a gateway and of a worker that have carried a webhook."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics.conftest import Running

OPENMETRICS = "application/openmetrics-text"
OF_A_GATEWAY = {
    "events_received_total",
    "events_rejected_total",
    "webhook_request_duration_seconds",
    "webhook_append_duration_seconds",
}
OF_A_WORKER = {
    "consumer_lag",
    "dead_letters_total",
    "embed_batch_size",
    "embed_batch_wait_seconds",
    "embed_inference_duration_seconds",
    "embed_texts_total",
    "embed_tokens_total",
    "embed_truncated_total",
    "embed_waiting",
    "event_age_seconds",
    "events_ignored_total",
    "instances",
    "instances_changed_total",
    "instances_finished_total",
    "instances_started_total",
    "journal_append_duration_seconds",
    "last_processed_timestamp_seconds",
    "limits_near_total",
    "partitions_owned",
    "rebalances_total",
    "records_unacknowledged",
    "recovery_duration_seconds",
    "replay_records_total",
    "step_attempts_total",
    "step_duration_seconds",
    "timers_pending",
    "upsert_backlog",
    "upsert_batch_duration_seconds",
    "upsert_batch_size",
    "upsert_objects_total",
}
OF_BOTH = {"build_info", "duplicates_total"}


async def test_every_metric_is_there_and_was_really_counted(running: Running) -> None:
    await running.post("72d3162e-cc78-11e3-81ab-4c9367dc0958")  # the same delivery once more
    await running.post("of somebody else", secret="guessed", status=401)
    await running.until(running.worker, 'instances{status="complete",workflow="embed-content"} 1.0')
    await running.until(running.worker, "consumer_lag{")
    gateway = values(await running.scrape(running.gateway))
    worker = values(await running.scrape(running.worker))
    assert {name.removeprefix("stepwell_") for name in gateway} >= OF_A_GATEWAY | OF_BOTH
    assert {name.removeprefix("stepwell_") for name in worker} >= OF_A_WORKER | OF_BOTH

    assert gateway["stepwell_events_received_total"] == 2
    assert gateway["stepwell_events_rejected_total"] == 1
    assert gateway["stepwell_duplicates_total"] == 1
    assert gateway["stepwell_webhook_request_duration_seconds"] == 3
    assert gateway["stepwell_webhook_append_duration_seconds"] == 1
    assert worker["stepwell_instances_started_total"] == 1
    assert worker["stepwell_instances_finished_total"] == 1
    assert worker["stepwell_instances"] == 1
    assert worker["stepwell_step_attempts_total"] == 3
    assert worker["stepwell_event_age_seconds"] == 1
    assert worker["stepwell_embed_texts_total"] == 1
    assert worker["stepwell_embed_batch_size"] == 1
    assert worker["stepwell_embed_batch_wait_seconds"] == 1
    assert worker["stepwell_embed_tokens_total"] > 2
    assert worker["stepwell_upsert_objects_total"] == 1
    assert worker["stepwell_upsert_batch_duration_seconds"] == 1
    assert worker["stepwell_partitions_owned"] == 2
    assert worker["stepwell_recovery_duration_seconds"] == worker["stepwell_rebalances_total"]
    assert worker["stepwell_journal_append_duration_seconds"] > 0
    assert worker["stepwell_last_processed_timestamp_seconds"] > 0


async def test_openmetrics_has_instances_as_exemplars_and_no_ids_as_labels(
    running: Running,
) -> None:
    text = await running.scrape(running.worker, OPENMETRICS)
    samples = [sample for family in openmetrics(text) for sample in family.samples]
    exemplars = [sample.exemplar for sample in samples if sample.exemplar]
    assert exemplars
    for exemplar in exemplars:
        assert exemplar.labels == {"instance": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    labels = {value for sample in samples for value in sample.labels.values()}
    assert not [value for value in labels if "72d3162e" in value]


def values(text: str) -> dict[str, float]:
    """What each metric adds up to; of histograms, how often something was observed."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith(("_bucket", "_sum", "_created")):
                continue
            name = sample.name.removesuffix("_count") if family.type == "histogram" else sample.name
            found[name] = found.get(name, 0) + sample.value
    return found
