"""What the server's messages mean; that it says these is seen in test_weaviate_faults.py."""

import pytest

from stepwell.streams.errors import IndexSchemaMismatch, IndexUnavailable
from stepwell.streams.index.weaviate.answers import all_failed, failure, outcomes
from stepwell.streams.ports import WriteStatus

STORED, RETRY, REFUSED = WriteStatus.STORED, WriteStatus.RETRY, WriteStatus.REFUSED
DIMENSION = "new node has a vector with length 5: vector dimensions do not match the index"
PROPERTY = "invalid text property 'title' on class 'Documents': not a string, but float64"
READ_ONLY = "store is read-only due to: disk usage too high"
GONE = "class 'Documents' not present in schema"


def statuses(answered):
    return [outcome.status for outcome in answered]


def test_a_refused_object_leaves_the_others_stored():
    answered = outcomes(4, {1: DIMENSION, 2: PROPERTY}, "w")
    assert statuses(answered) == [STORED, REFUSED, REFUSED, STORED]
    assert answered[1].detail == DIMENSION


def test_an_error_of_the_shard_puts_every_object_in_doubt():
    answered = outcomes(4, {0: READ_ONLY, 1: DIMENSION}, "w")
    assert statuses(answered) == [RETRY, REFUSED, RETRY, RETRY]
    assert answered[3].detail == READ_ONLY


def test_what_we_do_not_know_is_worth_another_try():
    assert statuses(outcomes(1, {0: "invalid memory address"}, "w")) == [RETRY]


def test_when_all_failed_for_good_all_are_refused():
    assert statuses(all_failed(2, f"{DIMENSION}\n{PROPERTY}", "w")) == [REFUSED] * 2


def test_when_all_failed_for_several_reasons_all_are_retried():
    assert statuses(all_failed(2, f"{DIMENSION}\n{READ_ONLY}", "w")) == [RETRY] * 2


def test_a_collection_that_is_gone_is_no_matter_of_one_object():
    for call in (lambda: outcomes(2, {0: GONE}, "w"), lambda: all_failed(2, GONE, "w")):
        with pytest.raises(IndexSchemaMismatch, match="deleted while in use"):
            call()


def test_other_failures_of_a_call_are_unavailability():
    assert isinstance(failure("connection refused", "Weaviate at h"), IndexUnavailable)
    assert str(failure("connection refused", "Weaviate at h")) == (
        "Weaviate at h: connection refused"
    )
