"""Histories replayed on new code: what still agrees, and what is told of what does not."""

import pytest

from stepwell.schemas import codec
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import (
    InstanceCompleted,
    InstanceCreated,
    InstanceErrored,
    InstanceKey,
    PatchMarked,
    SleepStarted,
    StepFailed,
    StepSucceeded,
)
from stepwell.schemas.parts import ErrorInfo
from stepwell.streams.engine.check import Recording, check_recording
from stepwell.streams.engine.workflow import Workflow

BOOM = ErrorInfo("Boom", "it broke")


def succeeded(step, call=1, result=None):
    return StepSucceeded(1, step, 1, 1, 0, 1_000, 1_100, result, call=call)


def recording(*records):
    created = InstanceCreated({"n": 1}, 1_000)
    return Recording(InstanceKey("told", "one"), 1, 1_000, created, records)


def never():
    raise AssertionError("a check runs no step")


def check(run, *records):
    class Told(Workflow, name="told"):
        async def run(self, event, step):
            return await run(event, step)

    return check_recording(Told(), recording(*records))


async def two_steps(event, step):
    await step.do("a", never)
    return await step.do("b", never)


def test_the_code_that_wrote_a_history_agrees_with_it():
    assert check(two_steps) is None
    assert check(two_steps, succeeded("a")) is None
    assert check(two_steps, succeeded("a"), succeeded("b", 2)) is None
    ended = InstanceCompleted(1, 0, 2_000, None)
    assert check(two_steps, succeeded("a"), succeeded("b", 2), ended) is None


def test_a_renamed_step_is_told_with_expected_and_found():
    async def renamed(event, step):
        await step.do("alpha", never)

    diverged = check(renamed, succeeded("a"))
    assert (diverged.expected, diverged.found) == ("step 'alpha-1'", "step 'a-1'")


def test_a_step_put_before_others_is_told():
    async def changed(event, step):
        await step.do("new", never)
        await two_steps(event, step)

    assert check(changed, succeeded("a")) is not None


def test_a_step_put_behind_a_patch_marker_agrees_with_both_pasts():
    async def patched(event, step):
        if step.patched("new-step"):
            await step.do("new", never)
        await two_steps(event, step)

    assert check(patched, succeeded("a")) is None
    mark = PatchMarked(1, 0, 1_000, "new-step", 0)
    assert check(patched, mark, succeeded("new"), succeeded("a", 2)) is None


def test_steps_added_at_the_end_agree_with_what_still_runs_and_not_with_what_has_ended():
    async def longer(event, step):
        await two_steps(event, step)
        await step.do("c", never)

    assert check(longer, succeeded("a"), succeeded("b", 2)) is None
    ended = InstanceCompleted(1, 0, 2_000, None)
    diverged = check(longer, succeeded("a"), succeeded("b", 2), ended)
    assert (diverged.expected, diverged.found) == (
        "step 'c-1'",
        "the end of the run: InstanceCompleted",
    )


def test_code_that_ends_too_early_is_told():
    async def shorter(event, step):
        await step.do("a", never)

    assert "has finished" in check(shorter, succeeded("a"), succeeded("b", 2)).expected


def test_code_that_would_fail_a_running_instance_is_told():
    async def broken(event, step):
        await step.do("a", never)
        raise KeyError("gone")

    diverged = check(broken, succeeded("a"))
    assert diverged.expected == "nothing: it fails with KeyError: 'gone'"
    assert diverged.found == "a run that goes on"


def test_a_run_that_is_about_to_fail_for_its_step_agrees():
    failed = StepFailed(1, "a", 1, 1, 0, 1_000, 1_100, BOOM)
    assert check(two_steps, failed) is None
    assert check(two_steps, failed, InstanceErrored(1, 0, 1_200, BOOM)) is None


def test_a_sleep_whose_duration_changed_still_agrees():
    async def sleeps(event, step):
        await step.sleep("nap", "2 hours")

    assert check(sleeps, SleepStarted(1, "nap", 1, 0, 1_000, 3_601_000, 1)) is None


def test_a_recording_survives_its_file():
    original = recording(
        succeeded("a", result={"blob": b"\x00"}), SleepStarted(1, "n", 1, 0, 1, 2, 2)
    )
    line = original.encode()
    assert b"\n" not in line
    assert Recording.decode(line) == original
    assert not original.sensitive


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        b"[]",
        b"{}",
        b'{"v":9,"key":"a/b","run":1,"began_ms":0,"created":%b,"records":[]}'
        % codec.encode(InstanceCreated(None, 0)),
        b'{"v":1,"key":"a/b","run":1,"began_ms":0,"created":{"v":1,"kind":"No"},"records":[]}',
    ],
)
def test_what_is_no_recording_is_refused(line):
    with pytest.raises(JournalCorrupt):
        Recording.decode(line)
