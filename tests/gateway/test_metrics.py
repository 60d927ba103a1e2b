"""Metrics are defined once, named alike, and their labels stay few."""

from prometheus_client.parser import text_string_to_metric_families

from stepwell.schemas.errors import RejectReason
from stepwell.streams.metrics import EVENT_LABELS_MAX, Metrics


def families(metrics):
    return {
        family.name: family
        for family in text_string_to_metric_families(metrics.render().decode())
        if not family.name.endswith("_created")
    }


def test_every_name_has_our_prefix_and_a_help():
    found = families(Metrics("1.2.3"))
    assert len(found) > 10
    for name, family in found.items():
        assert name.startswith(("stepwell_", "process_"))
        assert family.documentation


def test_two_processes_in_one_test_do_not_meet():
    one, other = Metrics("1"), Metrics("2")
    one.gateway.received("github", "push")
    assert one.registry is not other.registry
    assert not families(other)["stepwell_events_received"].samples


def test_known_reasons_are_there_before_they_happen():
    samples = families(Metrics("1"))["stepwell_dead_letters"].samples
    assert {sample.labels["reason"] for sample in samples} >= set(RejectReason)


def test_event_types_are_counted_under_their_names_until_there_are_too_many():
    metrics = Metrics("1")
    for number in range(EVENT_LABELS_MAX + 10):
        metrics.gateway.received("standard", f"type.{number}")
    metrics.gateway.received("standard", "type.0")
    counts = {
        sample.labels["event"]: sample.value
        for sample in families(metrics)["stepwell_events_received"].samples
        if sample.name.endswith("_total")
    }
    assert len(counts) == EVENT_LABELS_MAX + 1
    assert counts["other"] == 10
    assert counts["type.0"] == 2


def test_t5_the_age_of_an_event_is_never_negative():
    metrics = Metrics("1")
    metrics.worker.observe_event_age("9999-12-31T23:59:59Z", 1_700_000_000.0)
    metrics.worker.observe_event_age("1970-01-01T00:00:00Z", 1_700_000_000.0)
    metrics.worker.observe_event_age(None, 1_700_000_000.0)
    samples = {s.name: s.value for s in families(metrics)["stepwell_event_age_seconds"].samples}
    assert samples["stepwell_event_age_seconds_count"] == 2
    assert samples["stepwell_event_age_seconds_sum"] == 1_700_000_000.0
