"""The same delivery again starts nothing (W9, W10)."""

import asyncio

from stepwell.schemas.cloudevents import encode
from stepwell.streams.gateway.intake import Intake, Verdict
from stepwell.streams.gateway.webhooks import Rules
from stepwell.streams.metrics import Metrics


async def test_w9_the_same_delivery_is_stored_once(gateway, sample):
    payload = sample("issues.opened")
    first, again, third = [await gateway.post_github(payload) for _ in range(3)]
    assert first[0] == again[0] == third[0] == 202
    assert first[1] | {"duplicate": True} == again[1] == third[1]
    assert not first[1]["duplicate"]
    assert again[1]["instance"] == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert len(gateway.log.records) == 1
    assert gateway.count("duplicates_total", stage="gateway") == 2


async def test_w9_fifty_at_once_wait_for_the_first(gateway, sample, until):
    gateway.log.open_gate.clear()
    payload = sample("issues.opened")
    posts = [asyncio.create_task(gateway.post_github(payload)) for _ in range(50)]
    await until(lambda: gateway.log.waiting == 1)
    gateway.log.open_gate.set()
    answers = await asyncio.gather(*posts)
    assert [status for status, _ in answers] == [202] * 50
    assert sum(not answer["duplicate"] for _, answer in answers) == 1
    assert len(gateway.log.records) == 1


async def test_another_delivery_of_the_same_content_is_an_event_of_its_own(gateway, sample):
    payload = sample("issues.opened")
    await gateway.post_github(payload, delivery="a")
    await gateway.post_github(payload, delivery="b")
    assert [event.id for event in gateway.log.events] == ["a", "b"]


async def test_w10_another_body_under_the_same_id_is_counted_and_the_first_kept(gateway, sample):
    await gateway.post_github(sample("issues.opened"))
    status, answer = await gateway.post_github(sample("issues.edited"))
    assert status == 202
    assert answer["duplicate"]
    assert [event.type for event in gateway.log.events] == ["com.github.issues.opened"]
    assert gateway.count("duplicates_total", stage="gateway-conflict") == 1


async def test_w10_another_body_is_refused_where_that_is_set(gateway_with, sample):
    async with gateway_with(rules=Rules(on_conflict="refuse")) as gateway:
        await gateway.post_github(sample("issues.opened"))
        status, answer = await gateway.post_github(sample("issues.edited"))
        assert status == 409
        assert "first one counts" in answer["detail"]
        assert len(gateway.log.records) == 1
        assert (await gateway.post_github(sample("issues.opened")))[0] == 202


async def test_when_the_first_one_fails_all_fail_and_the_next_is_stored(gateway, sample, until):
    gateway.log.up = False
    gateway.log.open_gate.clear()
    payload = sample("issues.opened")
    posts = [asyncio.create_task(gateway.post_github(payload)) for _ in range(5)]
    await until(lambda: gateway.log.waiting == 1)
    gateway.log.open_gate.set()
    assert {status for status, _ in await asyncio.gather(*posts)} == {503}
    gateway.log.up = True
    status, answer = await gateway.post_github(payload)
    assert (status, answer["duplicate"]) == (202, False)
    assert len(gateway.log.records) == 1


async def test_an_interrupted_first_one_lets_the_others_try_again(gateway, sample, until):
    await gateway.post_github(sample("issues.opened"))
    [event] = gateway.log.events
    other = Intake(gateway.log, Metrics("test"))
    gateway.log.open_gate.clear()
    first = asyncio.create_task(other.store(event))
    await until(lambda: gateway.log.waiting == 1)
    second = asyncio.create_task(other.store(event))
    await asyncio.sleep(0)
    first.cancel()
    [error] = await asyncio.gather(second, return_exceptions=True)
    assert "interrupted" in str(error)
    gateway.log.open_gate.set()
    assert await other.store(event) is Verdict.FIRST


async def test_after_a_restart_the_stored_ones_are_remembered(gateway, gateway_with, sample):
    await gateway.post_github(sample("issues.opened"))
    async with gateway_with() as restarted:
        for record in gateway.log.records:
            restarted.intake.remember(tuple(record.headers), record.value)
        assert (await restarted.post_github(sample("issues.opened")))[1]["duplicate"]
        await restarted.post_github(sample("issues.edited"))
        assert restarted.count("duplicates_total", stage="gateway-conflict") == 1
        assert restarted.log.records == []


async def test_records_of_others_are_passed_over(gateway, sample):
    await gateway.post_github(sample("issues.opened"))
    [record] = gateway.log.records
    intake = Intake(gateway.log, Metrics("test"))
    intake.remember((("ce_id", b"\xff"),), b"{}")
    intake.remember((), b"{}")
    intake.remember(tuple(record.headers), None)
    assert len(intake) == 0


async def test_the_memory_is_bounded_and_forgets_the_oldest(gateway, sample):
    await gateway.post_github(sample("issues.opened"))
    [event] = gateway.log.events
    intake = Intake(gateway.log, Metrics("test"), remembered_max=3)
    names = {name: type(event)(name, "/a", "t", "s", {}) for name in "abcd"}
    for one in names.values():
        assert await intake.store(one) is Verdict.FIRST
    assert len(intake) == 3
    assert await intake.store(names["d"]) is Verdict.DUPLICATE
    assert await intake.store(names["a"]) is Verdict.FIRST
    assert encode(names["a"]) in gateway.log.records
