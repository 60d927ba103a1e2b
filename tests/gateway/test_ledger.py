"""What readers see of an instance is what its records say, whatever kind they are of."""

import pytest

from stepwell.schemas.commands import (
    CancelRequested,
    DeleteRequested,
    EventReceived,
    PauseRequested,
    RestartRequested,
    ResumeRequested,
    StepKind,
    StepRef,
    TerminateRequested,
)
from stepwell.schemas.journal import (
    OWNER_KEY,
    AttemptFailed,
    AttemptStarted,
    ChildReported,
    InstanceContinued,
    InstanceCreated,
    InstanceErrored,
    InstanceIdled,
    InstancePaused,
    InstancePurged,
    InstanceQueued,
    InstanceResumed,
    InstanceStarted,
    InstanceTerminated,
    OwnerClaimed,
    OwnerReleased,
    SleepStarted,
    StepFailed,
    StepSucceeded,
    StreamChunk,
    TimerFired,
    WaitStarted,
    WaitTimedOut,
)
from stepwell.schemas.parts import ErrorInfo, Parent, Rollback
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.views import REDACTED
from tests.gateway.journal import Story

BOOM = ErrorInfo("Boom", "it broke")
WAIT = WaitStarted(1, "approval", 1, 0, 2_000, "approved", {"order.id": 7}, 9_000, 1)


def idled(story: Story) -> InstanceIdled:
    return InstanceIdled(1, 0, 2_000, story.offset - 2)  # after what came before its sleep


def test_a_new_instance_is_running_with_its_parameters():
    details = Story(params={"number": 7}).details
    assert (details.summary.status, details.params, details.lane) == (
        "running",
        {"number": 7},
        "live",
    )


def test_statuses_are_those_of_the_fold():
    story = Story()
    story.write(InstanceQueued(1, 0, 2_000, "running_max"))
    assert (story.status, story.details.summary.reason) == ("queued", "running_max")
    story.write(InstanceStarted(1, 0, 2_000))
    assert (story.status, story.details.summary.reason) == ("running", None)
    story.write(SleepStarted(1, "nap", 1, 0, 2_000, 5_000, 1)).write(idled(story))
    assert story.status == "waiting"
    story.write(PauseRequested(3_000, "lunch"))
    assert (story.status, story.details.summary.reason) == ("waitingForPause", "lunch")
    story.write(InstancePaused(1, 0, 3_000, "requested", "as requested"))
    assert (story.status, story.details.summary.reason) == ("paused", "lunch")
    story.write(ResumeRequested(4_000))
    assert story.status == "running"


def test_steps_are_listed_as_they_were_first_recorded_with_their_results():
    story = (
        Story().succeed("a", 1).succeed("b", "two", call=2).succeed("a", 3, occurrence=2, call=3)
    )
    story.complete({"all": 3})
    steps = [(step.name, step.occurrence, step.output) for step in story.details.steps]
    assert steps == [("a", 1, 1), ("b", 1, "two"), ("a", 2, 3)]
    assert (story.status, story.details.output) == ("complete", {"all": 3})


def test_a_step_that_fails_shows_its_attempts_and_when_it_is_tried_again():
    story = Story()
    story.write(AttemptFailed(1, "a", 1, 1, 0, 2_000, 2_100, BOOM, 12_100))
    step = story.step("a")
    assert (step.status, step.attempts, step.until_ms) == ("retrying", 1, 12_100)
    assert step.error == "Boom: it broke"
    story.write(AttemptStarted(1, "a", 1, 2, 0, 12_100))
    assert (story.step("a").status, story.step("a").attempts) == ("running", 2)
    story.write(StepFailed(1, "a", 1, 2, 0, 12_100, 12_200, BOOM))
    step = story.step("a")
    assert (step.status, step.attempts, step.started_ms, step.finished_ms) == (
        "errored",
        2,
        2_000,
        12_200,
    )


def test_a_sleep_says_when_it_ends_and_that_it_has_ended():
    story = Story().write(SleepStarted(1, "nap", 1, 0, 2_000, 5_000, 1))
    step = story.step("nap")
    assert (step.kind, step.status, step.until_ms) == ("sleep", "sleeping", 5_000)
    story.write(TimerFired(1, "nap", 1, 0, 5_003))
    assert (story.step("nap").status, story.step("nap").finished_ms) == ("complete", 5_003)


def test_a_pause_shifts_what_is_open():
    story = Story().write(SleepStarted(1, "nap", 1, 0, 2_000, 5_000, 1))
    story.write(PauseRequested(3_000)).write(InstancePaused(1, 0, 3_000, "requested", ""))
    story.write(ResumeRequested(4_500))
    assert story.step("nap").until_ms == 6_500


def test_a_wait_says_for_what_and_until_when():
    step = Story().write(WAIT).step("approval")
    assert (step.kind, step.status, step.event_type) == ("wait", "waiting", "approved")
    assert (step.match, step.until_ms) == ({"order.id": 7}, 9_000)


def test_an_event_ends_the_wait_that_it_fits_and_others_are_kept():
    story = Story().write(WAIT)
    story.write(EventReceived("approved", {"order": {"id": 8}}, 2_500, "e-1"))
    assert story.step("approval").status == "waiting"
    story.write(EventReceived("approved", {"order": {"id": 7}}, 2_600, "e-2"))
    assert story.step("approval").status == "complete"
    taken = [(event.event_id, event.taken_by) for event in story.details.events]
    assert taken == [("e-1", None), ("e-2", "wait approval-1")]


def test_an_event_that_came_before_its_wait_is_taken_by_it():
    story = Story().write(EventReceived("approved", {"order": {"id": 7}}, 1_500, "e-1")).write(WAIT)
    assert story.step("approval").status == "complete"
    assert story.details.events[0].taken_by == "wait approval-1"


def test_a_wait_that_timed_out_has_failed_and_takes_nothing_any_more():
    story = Story().write(WAIT).write(WaitTimedOut(1, "approval", 1, 0, 9_000))
    story.write(EventReceived("approved", {"order": {"id": 7}}, 9_500, "late"))
    assert story.step("approval").status == "errored"
    assert "EventTimeout" in story.step("approval").error
    assert story.details.events[0].taken_by is None


def test_a_sensitive_result_is_shown_nowhere():
    story = Story().succeed("login", {"token": "hunter2"}, sensitive=True)
    assert story.step("login").output == REDACTED
    assert "hunter2" not in repr(story.details)


def test_a_sensitive_stream_is_shown_nowhere():
    story = Story().write(StreamChunk(1, "read", 1, 1, 0, 2_000, 0, "hunter2"))
    assert "hunter2" not in repr(story.details)
    story.succeed("read", {"$stream": 1}, sensitive=True)
    assert "hunter2" not in repr(story.details)


def test_a_stream_is_shown_by_its_beginning_or_by_its_size():
    story = Story()
    for index, text in enumerate(("once ", "upon ", "x" * 5_000)):
        story.write(StreamChunk(1, "text", 1, 1, 0, 2_000, index, text))
    story.write(StreamChunk(1, "blob", 1, 1, 0, 2_000, 0, b"12345"))
    story.succeed("text", {"$stream": 3}).succeed("blob", {"$stream": 1}, call=2)
    text = story.step("text").output
    assert text["chunks"] == 3
    assert text["preview"].startswith("once upon xxx") and len(text["preview"]) == 1_000
    assert story.step("blob").output == {"chunks": 1, "preview": "5 bytes"}


def test_a_child_is_known_before_and_after_it_reports():
    story = Story("order/one")
    parent = Parent("order/one", 1, "ship", 1, 1, awaited=True)
    story.write(InstanceCreated(None, 2_000, parent=parent), b"shipping/s-1")
    step = story.step("ship")
    assert (step.kind, step.status, step.child) == ("child", "running", "shipping/s-1")
    assert story.details.children == ("shipping/s-1",)
    (child,) = story.ledger.details("shipping", "s-1")
    assert child.parent == "order/one"
    story.write(ChildReported(1, "ship", 1, 1, 3_000, "shipping/s-1", "complete", {"parcel": 1}))
    step = story.step("ship")
    assert (step.status, step.output) == ("complete", {"parcel": 1})
    assert (step.started_ms, step.finished_ms) == (2_000, 3_000)


def test_a_failed_child_shows_its_error():
    story = Story().write(ChildReported(1, "ship", 1, 1, 3_000, "s/1", "errored", None, BOOM))
    assert (story.step("ship").status, story.step("ship").error) == ("errored", "Boom: it broke")


@pytest.mark.parametrize(
    ("rollback", "outcome"),
    [(Rollback(complete=True), "complete"), (Rollback(complete=False, error=BOOM), "failed")],
)
def test_an_errored_instance_shows_its_error_and_how_its_rollback_ended(rollback, outcome):
    story = Story().succeed("pay")
    story.succeed("pay", kind=StepKind.ROLLBACK, call=2)
    details = story.write(InstanceErrored(1, 0, 5_000, BOOM, rollback)).details
    assert (details.summary.status, details.summary.error) == ("errored", "Boom: it broke")
    assert (details.error, details.rollback.outcome) == (BOOM, outcome)
    assert details.rollback.error == rollback.error
    assert [step.kind for step in details.steps] == ["do", "rollback"]


def test_what_was_open_when_the_instance_ended_is_cancelled():
    story = Story().write(WAIT).write(TerminateRequested(3_000, reason="enough"))
    assert (story.status, story.details.summary.reason) == ("terminated", "enough")
    assert (story.step("approval").status, story.step("approval").until_ms) == ("cancelled", None)


def test_a_termination_with_rollback_goes_on_until_that_has_ended():
    story = Story().write(TerminateRequested(3_000, rollback=True, reason="enough"))
    assert story.status == "running"
    rolled_back = Rollback(complete=True)
    details = story.write(InstanceTerminated(1, 0, 4_000, "enough", rolled_back)).details
    assert (details.summary.status, details.rollback.outcome) == ("terminated", "complete")


def test_a_cancelled_instance_is_running_until_its_code_has_ended():
    assert Story().write(CancelRequested(3_000)).status == "running"


def test_a_restart_begins_a_run_without_the_steps_and_events_of_the_one_before():
    story = Story().succeed("a", 1).write(EventReceived("x", 1, 2_000)).complete("done")
    story.write(RestartRequested(10_000))
    details = story.details
    assert (details.summary.status, details.run) == ("running", story.offset - 1)
    assert (details.steps, details.events, details.output) == ((), (), None)


def test_a_restart_from_a_step_keeps_what_precedes_it_with_the_events_it_took():
    story = Story().write(EventReceived("approved", {"order": {"id": 7}}, 1_500, "early"))
    story.write(EventReceived("other", None, 1_600, "kept"))
    story.write(WAIT).succeed("b", 2, call=2).succeed("c", 3, call=3).complete()
    story.write(RestartRequested(10_000, StepRef("b")))
    assert [step.name for step in story.details.steps] == ["approval"]
    assert [event.event_id for event in story.details.events] == ["early"]


def test_a_continued_run_has_new_parameters_and_no_steps():
    story = Story(params=1).succeed("a").write(InstanceContinued(1, 0, 5_000, 2))
    assert (story.details.params, story.details.steps) == (2, ())


def test_a_debounced_instance_is_queued_with_the_latest_parameters():
    story = Story(params=1, debounce_ms=500)
    assert story.status == "queued"
    story.write(InstanceCreated(2, 1_400, debounce_ms=500))
    assert (story.status, story.details.params) == ("queued", 2)


def test_a_debounced_event_that_came_meanwhile_is_the_next_run():
    story = Story(params=1, debounce_ms=500).write(InstanceStarted(1, 0, 1_500))
    story.write(InstanceCreated(2, 1_600, debounce_ms=500))
    assert (story.status, story.details.params) == ("running", 1)
    story.complete()
    assert (story.status, story.details.params) == ("queued", 2)


@pytest.mark.parametrize("end", [DeleteRequested(10_000), InstancePurged(1, 0, 10_000)])
def test_what_was_deleted_or_purged_is_not_there(end):
    story = Story().complete().write(end)
    assert story.ledger.summaries() == []
    assert list(story.ledger.details(None, "one")) == []
    story.write(InstanceCreated("again", 11_000))
    assert (story.status, story.details.params) == ("running", "again")


def test_a_paused_instance_says_why_and_resumes_without_it():
    story = Story().write(InstancePaused(1, 0, 2_000, "diverged", "expected a, found b"))
    assert story.details.summary.reason == "diverged: expected a, found b"
    story.write(StepSucceeded(1, "a", 1, 1, 0, 1_900, 2_100, None))
    assert story.details.summary.reason == "diverged: expected a, found b"
    story.write(InstanceResumed(1, 0, 3_000, "replays again"))
    assert story.details.summary.reason is None


def test_a_command_can_be_looked_up_by_its_id():
    story = Story().complete()
    story.write(PauseRequested(10_000, command_id="c-1"))
    story.write(RestartRequested(11_000, command_id="c-2"))
    story.write(RestartRequested(11_000, StepRef("nothing"), command_id="c-3"))
    refused, accepted = story.ledger.command("c-1"), story.ledger.command("c-2")
    assert (refused.verdict, refused.before) == (Verdict.INSTANCE_FINISHED, "complete")
    assert accepted.accepted
    assert story.ledger.command("c-3").verdict is Verdict.UNKNOWN_STEP
    assert story.ledger.command("never sent") is None


def test_a_command_that_was_appended_twice_is_judged_by_the_one_that_counted():
    story = Story()
    for _ in range(2):
        story.write(PauseRequested(10_000, command_id="c-1"))
    assert story.ledger.command("c-1").accepted


def test_the_newest_instance_is_found_as_latest():
    story = Story("order/one")
    story.write(InstanceCreated(None, 5_000), b"order/two")
    story.write(InstanceCreated(None, 4_000), b"audit/two")
    assert [str(key) for key in story.ledger.find(None, "latest")] == ["order/two"]
    assert [str(key) for key in story.ledger.find("audit", "latest")] == ["audit/two"]
    assert {str(key) for key in story.ledger.find(None, "two")} == {"order/two", "audit/two"}


def test_a_claim_fences_earlier_owners_and_a_release_does_not():
    story = Story()
    story.write(OwnerReleased("claim", 2_000), OWNER_KEY).succeed("a")
    assert story.step("a").status == "complete"
    story.write(OwnerClaimed("other", "second", 3_000), OWNER_KEY).succeed("b", call=2)
    assert [step.name for step in story.details.steps] == ["a"]
    assert story.ledger.unreadable == 0


def test_what_is_no_journal_record_is_counted():
    story = Story()
    story.ledger.take(0, 99, b"order/one", b"junk")
    assert story.ledger.unreadable == 1


def test_every_attempt_is_told_with_its_times_and_what_became_of_it():
    story = Story()
    story.write(AttemptStarted(1, "pay", 1, 1, 0, 2_000))
    story.write(AttemptStarted(1, "pay", 1, 2, 0, 3_000))
    story.write(AttemptFailed(1, "pay", 1, 2, 0, 3_000, 3_500, BOOM, 5_000, call=1))
    story.write(StepSucceeded(1, "pay", 1, 3, 0, 5_010, 5_500, "ok", call=1))
    made = story.step("pay").attempts_made
    assert [(it.number, it.outcome, it.started_ms, it.finished_ms) for it in made] == [
        (1, "lost", 2_000, None),
        (2, "failed", 3_000, 3_500),
        (3, "succeeded", 5_010, 5_500),
    ]
    assert (made[1].error, made[1].retry_at_ms) == ("Boom: it broke", 5_000)


def test_when_it_stood_in_a_queue_or_was_paused_is_told():
    story = Story()
    story.write(InstanceQueued(1, 0, 2_000, "running_max"))
    story.write(InstanceStarted(1, 0, 2_500))
    story.write(PauseRequested(3_000, "lunch"))
    story.write(InstancePaused(1, 0, 3_100, "requested", "as requested"))
    story.write(ResumeRequested(4_000))
    spans = story.details.spans
    assert [(it.kind, it.started_ms, it.finished_ms) for it in spans] == [
        ("queued", 2_000, 2_500),
        ("paused", 3_100, 4_000),
    ]
