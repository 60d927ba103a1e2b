"""An image on its way into the catalogue, with somebody looking at it."""

import io
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.engine.errors import NonRetryableError
from stepwell.streams.examples.image_pipeline import Bindings, ImagePipeline, Submitted, shrink
from stepwell.streams.examples.offline import IMAGE, for_image_pipeline
from stepwell.streams.testing import WorkflowTest

Image = pytest.importorskip("PIL.Image", reason="Pillow is an extra: stepwell[images]")

SEA = Submitted("sea", IMAGE)


@pytest.fixture
def world() -> Bindings:
    return for_image_pipeline()


async def test_an_image_that_is_approved_is_stored(world: Bindings):
    async with WorkflowTest(ImagePipeline, env=world) as test:
        handle = await test.start(ImagePipeline, SEA)
        await handle.wait_for_status("waiting")
        await handle.send_event("approval", {"approved": True})
        outcome = await handle.result()
        assert outcome.objection == ""
    (stored,) = await world.database.query("SELECT * FROM images")
    assert stored["name"] == "sea"
    assert "230415 bytes" in str(stored["description"])
    thumbnail = await world.blobs.get(outcome.thumbnail)
    with Image.open(io.BytesIO(thumbnail)) as small:
        assert (small.format, small.size) == ("PNG", (256, 192))


async def test_an_image_that_nobody_looks_at_is_rejected(world: Bindings):
    async with WorkflowTest(ImagePipeline, env=world) as test:
        handle = await test.start(ImagePipeline, SEA)
        began = test.now
        assert (await handle.result()).objection == "nobody looked at it"
        assert test.now - began == timedelta(days=3)
    assert await world.database.query("SELECT * FROM images") == []


async def test_an_image_that_somebody_refuses_is_rejected(world: Bindings):
    async with WorkflowTest(ImagePipeline, env=world) as test:
        handle = await test.start(ImagePipeline, SEA)
        await handle.wait_for_status("waiting")
        await handle.send_event("approval", {"approved": False})
        assert (await handle.result()).objection == "somebody said no"
    assert await world.database.query("SELECT * FROM images") == []


async def test_the_journal_carries_references_not_images(world: Bindings):
    async with WorkflowTest(ImagePipeline, env=world) as test:
        handle = await test.start(ImagePipeline, SEA)
        await handle.wait_for_status("waiting")
        assert all(len(repr(step.output)) < 1000 for step in handle.steps)


async def test_a_page_that_is_no_image_is_not_fetched_again(world: Bindings):
    source = LocalSource.of({IMAGE: "<html>"}, "text/html")
    async with WorkflowTest(ImagePipeline, env=replace(world, source=source)) as test:
        handle = await test.start(ImagePipeline, SEA)
        await handle.wait_for_status("errored")
        assert "is text/html, not an image" in handle.error.message


def test_a_thumbnail_is_a_small_png():
    picture = io.BytesIO()
    Image.new("CMYK", (1000, 500)).save(picture, "TIFF")
    with Image.open(io.BytesIO(shrink(picture.getvalue()))) as small:
        assert (small.format, small.size) == ("PNG", (256, 128))


@pytest.mark.parametrize("content", [b"", b"not an image", b"P6 320 240 255 " + b"x" * 100])
def test_what_only_claims_to_be_an_image_ends_the_step(content: bytes):
    with pytest.raises(NonRetryableError):
        shrink(content)


def test_without_pillow_the_step_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NonRetryableError, match=r"pip install 'stepwell\[images\]'"):
        shrink(b"")
