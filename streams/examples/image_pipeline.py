"""Take in an image: a thumbnail, a description, somebody's approval, the catalogue.

fetch -> thumbnail and describe (at once) -> wait 3 days for `approval` -> store

Images travel by reference: a step puts the bytes into the blob store, and the journal carries where
they are. An image that nobody approves in time is rejected. To approve it:

    stepwell instances send-event ID --type approval --payload '{"approved": true}'

Thumbnails need Pillow: `pip install 'stepwell[images]'`.
"""

import asyncio
import io
from dataclasses import dataclass

from stepwell.streams.bindings.database import Database
from stepwell.streams.bindings.images import ImageModel
from stepwell.streams.bindings.sources import Source
from stepwell.streams.blobs import BlobRef, BlobStore
from stepwell.streams.engine.errors import EventTimeout, NonRetryableError
from stepwell.streams.engine.workflow import Step, Workflow, WorkflowEvent

TABLES = """
CREATE TABLE IF NOT EXISTS images (
    name TEXT PRIMARY KEY, description TEXT NOT NULL, image TEXT NOT NULL, thumbnail TEXT NOT NULL
);
"""
THUMBNAIL_PIXELS = 256


@dataclass(frozen=True, slots=True)
class Submitted:
    """The parameters."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image in the blob store."""

    image: BlobRef
    media_type: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The output; `objection` is why the image is not in the catalogue, empty when it is."""

    objection: str
    description: str
    image: BlobRef
    thumbnail: BlobRef


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the steps reach the outside world through."""

    source: Source
    blobs: BlobStore
    images: ImageModel
    database: Database


class ImagePipeline(Workflow, name="image-pipeline"):
    """One image, from its address to the catalogue."""

    env: Bindings

    async def run(self, event: WorkflowEvent[Submitted], step: Step) -> Outcome:
        """Carry one image to the catalogue."""
        fetched = await step.do("fetch", self.fetch, event.payload.url)
        thumbnail, description = await asyncio.gather(
            step.do("thumbnail", self.thumbnail, fetched.image),
            step.do("describe", self.describe, fetched),
        )
        outcome = Outcome(await self.objection(step), description, fetched.image, thumbnail)
        if not outcome.objection:
            await step.do("store", self.store, event.payload.name, outcome)
        return outcome

    async def objection(self, step: Step) -> str:
        """Why the image is not to be shown; empty once somebody has approved it."""
        try:
            approval = await step.wait_for_event("approval", type="approval", timeout="3 days")
        except EventTimeout:
            return "nobody looked at it"
        said = approval.payload
        approved = isinstance(said, dict) and said.get("approved") is True
        return "" if approved else "somebody said no"

    async def fetch(self, url: str) -> Fetched:
        """Put the image where the other steps find it."""
        page = await self.env.source.fetch(url)
        if not page.media_type.startswith("image/"):
            raise NonRetryableError(f"{url} is {page.media_type}, not an image")
        return Fetched(await self.env.blobs.put(page.content), page.media_type)

    async def thumbnail(self, image: BlobRef) -> BlobRef:
        """A small PNG of the image."""
        small = await asyncio.to_thread(shrink, await self.env.blobs.get(image))
        return await self.env.blobs.put(small)

    async def describe(self, fetched: Fetched) -> str:
        """What can be seen."""
        image = await self.env.blobs.get(fetched.image)
        request = "Describe this image in one sentence."
        return await self.env.images.describe(image, fetched.media_type, request)

    async def store(self, name: str, outcome: Outcome) -> None:
        """Put the image into the catalogue; the same name replaces what was there."""
        references = outcome.image.sha256, outcome.thumbnail.sha256
        sql = "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)"
        await self.env.database.query(sql, name, outcome.description, *references)


def shrink(image: bytes) -> bytes:
    """The image as a PNG of at most 256 by 256 pixels."""
    try:
        from PIL import Image
    except ImportError as error:
        raise NonRetryableError("no Pillow here: pip install 'stepwell[images]'") from error
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
            small = io.BytesIO()
            opened.convert("RGB").save(small, "PNG")
    except (OSError, Image.DecompressionBombError) as error:
        raise NonRetryableError(str(error)) from error
    return small.getvalue()
