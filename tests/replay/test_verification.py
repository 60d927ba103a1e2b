"""A recorded instance computed again: what is the same, and at which step something is not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from stepwell.streams import (
    NonRetryableError,
    Retries,
    Step,
    StepError,
    Workflow,
    WorkflowEvent,
)
from stepwell.streams.engine.check import Recording
from stepwell.streams.replay.comparing import Tally, Verifier, open_attempts
from stepwell.streams.replay.findings import Finding, same
from stepwell.streams.replay.verifying import Rules
from stepwell.streams.testing import WorkflowTest


@dataclass
class Hands:
    """What the steps of a test do, and which were done."""

    factor: float = 1.0
    fails: bool = False
    ran: list[str] | None = None


class Embed(Workflow, name="embed"):
    env: Hands

    async def run(self, event: WorkflowEvent[str], step: Step) -> int:
        text = await step.do("fetch", self.fetch, event.payload)
        vector = await step.do("embed", self.embed, text)
        await step.sleep("settle", "1 minute")
        return await step.do("store", self.store, vector)

    async def fetch(self, text: str) -> str:
        if self.env.ran is not None:
            self.env.ran.append("fetch")
        return text.strip()

    async def embed(self, text: str) -> np.ndarray:
        return np.full(4, len(text) * self.env.factor, dtype=np.float32)

    def store(self, vector: np.ndarray) -> int:
        if self.env.fails:
            raise NonRetryableError("the index said no")
        return len(vector)


class Renamed(Embed, name="embed"):
    async def run(self, event: WorkflowEvent[str], step: Step) -> int:
        text = await step.do("fetch", self.fetch, event.payload)
        vector = await step.do("encode", self.embed, text)
        await step.sleep("settle", "1 minute")
        return await step.do("store", self.store, vector)


class Longer(Embed, name="embed"):
    async def run(self, event: WorkflowEvent[str], step: Step) -> int:
        await step.sleep("yawn", "1 day")
        text = await step.do("fetch", self.fetch, event.payload)
        vector = await step.do("embed", self.embed, text)
        await step.sleep("settle", "1 minute")
        stored = await step.do("store", self.store, vector)
        await step.do("boast", self.fetch, "done")
        return stored


class Shorter(Embed, name="embed"):
    async def run(self, event: WorkflowEvent[str], step: Step) -> int:
        vector = await step.do("embed", self.embed, "hello")
        return await step.do("store", self.store, vector)


class Waiting(Embed, name="embed"):
    async def run(self, event: WorkflowEvent[str], step: Step) -> int:
        await step.wait_for_event("permission", type="yes")
        return await super().run(event, step)


class Noisy(Workflow, name="noisy"):
    """All that is not a plain step."""

    env: Hands

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        read = await step.do("read", self.read)
        try:
            await step.do("break", self.break_)
        except StepError as error:
            broken = error.error_name
        won = await step.race(step.do("fast", self.fast), step.sleep("slow", "1 day"))
        many = await step.map("each", self.double, [1, 2, 3])
        secret = await step.do("secret", self.secret, sensitive=True)
        return f"{read.read()} {broken} {won.value} {many} {len(secret)}"

    async def read(self) -> AsyncIterator[str]:
        for piece in ("a", "b", str(self.env.factor)):
            yield piece

    async def break_(self) -> None:
        raise NonRetryableError("always")

    async def fast(self) -> str:
        return "fast"

    async def double(self, number: int) -> int:
        return number * 2

    async def secret(self) -> str:
        return "hush" if self.env.factor == 1 else "tell"


class Flaky(Workflow, name="flaky"):
    env: Hands

    async def run(self, event: WorkflowEvent[None], step: Step) -> str:
        return await step.do("try", self.attempt, retries=Retries(limit=3, delay="1 second"))

    async def attempt(self) -> str:
        assert self.env.ran is not None
        self.env.ran.append("try")
        if len(self.env.ran) == 1:
            raise ConnectionError("not yet")
        return "worked"


async def recorded(workflow: type[Workflow], params: Any, env: Hands) -> Recording:
    async with WorkflowTest((workflow, env)) as test:
        handle = await test.start(workflow, params)
        await handle.wait_for_status("complete")
        return Recording.decode(handle.history())


async def verified(
    recording: Recording, workflow: type[Workflow], env: Hands, rules: Rules | None = None
) -> list[Finding]:
    with open_attempts(lambda: 0) as attempts:
        made = {workflow.name: workflow}
        verifier = Verifier(
            lambda name: made[name](env) if name in made else None, rules or Rules(), attempts
        )
        return await verifier.verify(recording)


def verdicts(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(found.step, found.verdict.value) for found in findings]


@pytest.fixture
async def recording() -> Recording:
    return await recorded(Embed, " hello ", Hands())


ALL_SAME = [("fetch", "same"), ("embed", "same"), ("store", "same"), ("(output)", "same")]


async def test_the_same_code_comes_to_the_same(recording):
    env = Hands(ran=[])
    assert verdicts(await verified(recording, Embed, env)) == ALL_SAME
    assert env.ran == ["fetch"]


async def test_a_change_is_reported_at_its_step_and_not_at_those_that_follow(recording):
    findings = await verified(recording, Embed, Hands(factor=2))
    assert verdicts(findings) == [
        ("fetch", "same"),
        ("embed", "changed"),
        ("store", "same"),
        ("(output)", "same"),
    ]
    (changed,) = (found for found in findings if found.verdict == "changed")
    assert changed.recorded == "float32[4] [5, 5, 5, …]"
    assert changed.found == "float32[4] [10, 10, 10, …]"


async def test_vectors_are_compared_bit_by_bit_unless_a_tolerance_is_given(recording):
    nearly = Hands(factor=1 + 2**-20)
    assert ("embed", "changed") in verdicts(await verified(recording, Embed, nearly))
    findings = await verified(recording, Embed, nearly, Rules(tolerance=1e-4))
    assert verdicts(findings) == ALL_SAME


async def test_a_step_that_fails_now_is_changed(recording):
    findings = await verified(recording, Embed, Hands(fails=True))
    assert ("store", "changed") in verdicts(findings)
    assert findings[2].found == "NonRetryableError: the index said no"


async def test_a_renamed_step_is_added_under_one_name_and_missing_under_the_other(recording):
    assert verdicts(await verified(recording, Renamed, Hands())) == [
        ("fetch", "same"),
        ("encode", "added"),
        ("embed", "missing"),
        ("store", "same"),
        ("(output)", "same"),
    ]


async def test_added_steps_are_carried_out_to_see_what_follows(recording):
    assert verdicts(await verified(recording, Longer, Hands())) == [
        ("sleep yawn", "added"),
        ("fetch", "same"),
        ("embed", "same"),
        ("store", "same"),
        ("boast", "added"),
        ("(output)", "same"),
    ]


async def test_steps_that_are_not_asked_for_any_more_are_missing(recording):
    findings = verdicts(await verified(recording, Shorter, Hands()))
    assert findings == [
        ("fetch", "missing"),
        ("embed", "same"),
        ("sleep settle", "missing"),
        ("store", "same"),
        ("(output)", "same"),
    ]


async def test_code_that_now_waits_for_somebody_gets_no_further(recording):
    findings = verdicts(await verified(recording, Waiting, Hands()))
    assert findings[0] == ("wait permission", "added")
    assert ("fetch", "missing") in findings
    assert findings[-1] == ("(output)", "changed")


async def test_a_step_that_is_skipped_keeps_its_recorded_result(recording):
    env = Hands(factor=2, ran=[])
    findings = await verified(recording, Embed, env, Rules(skip=("fet*", "embed")))
    assert verdicts(findings)[:2] == [("fetch", "skipped"), ("embed", "skipped")]
    assert env.ran == []


async def test_streams_failures_races_and_maps_are_compared_as_well():
    recording = await recorded(Noisy, None, Hands())
    same_again = verdicts(await verified(recording, Noisy, Hands()))
    assert {verdict for _, verdict in same_again} == {"same"}
    assert [step for step, _ in same_again].count("each") == 3
    assert ("break", "same") in same_again
    changed = await verified(recording, Noisy, Hands(factor=2))
    assert {found.step for found in changed if found.verdict == "changed"} == {"read", "secret"}


async def test_secrets_are_not_shown():
    recording = await recorded(Noisy, None, Hands())
    findings = await verified(recording, Noisy, Hands(factor=2))
    (secret,) = (found for found in findings if found.step == "secret")
    assert (secret.recorded, secret.found) == ("[redacted]", "[redacted]")


async def test_a_step_that_needed_a_second_attempt_is_run_once():
    recording = await recorded(Flaky, None, Hands(ran=[]))
    again = Hands(ran=["the first"])
    assert verdicts(await verified(recording, Flaky, again))[0] == ("try", "same")
    assert again.ran == ["the first", "try"]


async def test_a_workflow_that_is_gone_is_missing(recording):
    (found,) = await verified(recording, Noisy, Hands())
    assert (found.step, found.verdict) == ("(workflow)", "missing")


async def test_a_tally_keeps_counts_by_step_and_what_is_not_the_same(recording):
    tally = Tally()
    tally.take(await verified(recording, Embed, Hands()))
    tally.take(await verified(recording, Embed, Hands(factor=2)))
    assert tally.counts["embed: fetch"] == {"same": 2}
    assert tally.counts["embed: embed"] == {"same": 1, "changed": 1}
    assert [found.step for found in tally.differences] == ["embed"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": [1, 2.5, None]}, {"a": [1, 2.5, None]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, 2], [1], False),
        (1, 1.0, False),
        (True, 1, False),
        ("a", b"a", False),
        (np.float32([1, 2]), np.float64([1, 2]), False),
        (np.float32([np.nan]), np.float32([np.nan]), True),
        (np.float32([1, 2]), [1, 2], False),
    ],
)
def test_values_are_the_same_by_what_was_stored(one, other, expected):
    assert same(one, other) is expected
