"""C: create, get, delete, alone and in batches."""
# ruff: noqa: N802 - test ids begin with the letters of the reference behaviour

from typing import Any

import pytest

from stepwell.streams import Step, WorkflowEvent
from stepwell.streams.engine.names import check_instance_id
from stepwell.streams.errors import (
    InstanceExists,
    InstanceNotFound,
    InvalidInstanceId,
    InvalidRequest,
)
from stepwell.streams.gateway.control import NewInstance
from stepwell.streams.testing import WorkflowTest
from tests.conformance.flows import flow, value


async def echo(event: WorkflowEvent[Any], step: Step) -> Any:
    return [event.payload, event.workflow_name, event.instance_id]


async def wait(event: WorkflowEvent[Any], step: Step) -> Any:
    return (await step.wait_for_event("go", type="go")).payload


Echo, Wait = flow(echo, "echo"), flow(wait, "wait")


async def test_C1_an_instance_has_the_given_id_and_params() -> None:
    async with WorkflowTest(Echo) as test:
        handle = await test.start(Echo, {"a": 1}, id="mine")
        assert handle.id == "mine"
        assert (await handle.result())[0] == {"a": 1}


async def test_C2_the_event_has_the_name_of_the_workflow() -> None:
    async with WorkflowTest(Echo) as test:
        handle = await test.start(Echo, None, id="mine")
        assert (await handle.result())[1:] == ["echo", "mine"]


async def test_C3_without_an_id_one_is_made() -> None:
    async with WorkflowTest(Echo) as test:
        first, second = await test.start(Echo), await test.start(Echo)
        assert check_instance_id(first.id) != check_instance_id(second.id)


@pytest.mark.parametrize("instance", ["", "a b", "-a", "x" * 101])
async def test_C4_an_invalid_id_is_a_typed_error(instance: str) -> None:
    async with WorkflowTest(Echo) as test:
        with pytest.raises(InvalidInstanceId) as refused:
            await test.start(Echo, id=instance)
        assert refused.value.code == "instance.invalid_id"


async def test_C6_an_existing_instance_can_be_got_and_another_cannot() -> None:
    async with WorkflowTest(Wait) as test:
        await test.start(Wait, id="one")
        await test.run_until_idle()
        assert test.get(Wait, "one").status == "waiting"
        with pytest.raises(InstanceNotFound) as unknown:
            test.get(Wait, "two")
        assert unknown.value.code == "instance.not_found"


async def test_C7_an_event_leaves_the_handle_as_it_was() -> None:
    async with WorkflowTest(Wait) as test:
        handle = await test.start(Wait)
        await handle.send_event("other")
        await handle.send_event("go", 5)
        assert await handle.result() == 5


async def test_C8_delete_removes_the_instance_and_all_that_is_kept_of_it() -> None:
    async with WorkflowTest(Wait) as test:
        handle = await test.start(Wait, id="one")
        await handle.wait_for_status("waiting")
        await handle.delete()
        await test.run_until_idle()
        with pytest.raises(InstanceNotFound):
            test.get(Wait, "one")
        again = await test.start(Wait, id="one")
        await again.send_event("go", "new")
        assert await again.result() == "new"


async def test_C9_delete_refuses_an_id_that_nobody_can_have() -> None:
    async with WorkflowTest(Wait) as test:
        with pytest.raises(InvalidInstanceId):
            await test.control.delete_batch("wait", ["no?"])


async def test_C11_a_running_instance_deletes_itself_and_stops() -> None:
    ran: list[str] = []

    async def suicide(event: WorkflowEvent[Any], step: Step) -> None:
        await step.do("delete me", test.get("suicide", event.instance_id).delete)
        await step.do("never", ran.append, "never")

    workflow = flow(suicide, "suicide")
    async with WorkflowTest(workflow) as test:
        handle = await test.start(workflow, id="me")
        await test.run_until_idle()
        with pytest.raises(InstanceNotFound):
            _ = handle.status
        assert ran == []


async def test_C12_a_batch_delete_removes_all_and_C15_reports_by_position() -> None:
    async with WorkflowTest(Wait) as test:
        for name in ("a", "b"):
            await test.start(Wait, id=name)
        await test.run_until_idle()
        told = await test.control.delete_batch("wait", ["a", "missing", "b"])
        assert [it.instance_id for it in told] == ["a", "missing", "b"]
        assert [it.code for it in told] == [None, "instance.not_found", None]
        assert test.instances() == []


@pytest.mark.parametrize("ids", [[], ["x"] * 101, ["ok", "no?"]])
async def test_C16_malformed_batches_are_refused_as_a_whole(ids: list[str]) -> None:
    async with WorkflowTest(Wait) as test:
        handle = await test.start(Wait, id="ok")
        await test.run_until_idle()
        with pytest.raises((InvalidRequest, InvalidInstanceId)):
            await test.control.delete_batch("wait", ids)
        assert handle.status == "waiting"


async def test_C17_a_batch_makes_several_and_leaves_existing_ids_out() -> None:
    async with WorkflowTest(Echo) as test:
        batch = [NewInstance(n, f"i{n}") for n in range(3)]
        made = await test.control.create_batch("echo", batch)
        again = await test.control.create_batch("echo", [*batch, NewInstance(9, "i9")])
        assert [it.instance_id for it in made] == ["i0", "i1", "i2"]
        assert [it.instance_id for it in again] == ["i9"]
        assert (await test.get(Echo, "i2").result())[0] == 2


async def test_C18_an_empty_batch_is_an_error() -> None:
    async with WorkflowTest(Echo) as test:
        with pytest.raises(InvalidRequest):
            await test.control.create_batch("echo", [])


async def test_F1_create_with_and_without_an_id_and_F11_again_after_a_delete() -> None:
    async with WorkflowTest(Echo) as test:
        for _ in range(2):
            handle = await test.start(Echo, 1, id="one")
            assert (await handle.result())[0] == 1
            with pytest.raises(InstanceExists):
                await test.start(Echo, 2, id="one")
            await handle.delete()


async def test_F3_instances_of_a_batch_run_separately() -> None:
    async def one_fails(event: WorkflowEvent[Any], step: Step) -> Any:
        if event.payload == 1:
            raise ValueError("mine alone")
        return await step.do("fine", value, event.payload)

    workflow = flow(one_fails)
    async with WorkflowTest(workflow) as test:
        await test.control.create_batch("flow", [NewInstance(n, f"i{n}") for n in range(3)])
        await test.run_until_idle()
        statuses = [test.get(workflow, f"i{n}").status for n in range(3)]
        assert statuses == ["complete", "errored", "complete"]
