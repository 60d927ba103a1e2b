"""The same on Apache Kafka: retrying, discarding, an unavailable dead-letter topic, forgetting."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deadletters.conftest import Order, Shop, open_shop
from tests.deadletters.test_with_a_worker import (
    test_a_record_that_fails_again_says_how_often_and_why_at_first,
    test_f37_without_its_dead_letter_nothing_is_acknowledged,
    test_letters_without_key_and_with_all_bytes_are_found_and_discarded,
    test_what_failed_is_retried_when_its_cause_is_mended,
)
from tests.operator.test_forgetting import (
    test_a_dry_run_changes_nothing,
    test_without_a_worker_rows_stay_until_one_runs,
)
from tests.servers import kafka_bootstrap

__all__ = [
    "kafka_bootstrap",
    "test_a_dry_run_changes_nothing",
    "test_a_record_that_fails_again_says_how_often_and_why_at_first",
    "test_f37_without_its_dead_letter_nothing_is_acknowledged",
    "test_letters_without_key_and_with_all_bytes_are_found_and_discarded",
    "test_what_failed_is_retried_when_its_cause_is_mended",
    "test_without_a_worker_rows_stay_until_one_runs",
]

pytestmark = pytest.mark.kafka


@pytest.fixture
async def shop(
    kafka_bootstrap: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    monkeypatch.setattr(Order, "mended", False)
    async with open_shop(kafka_bootstrap, tmp_path) as shop:
        yield shop
