"""The port behind the step `fetch-content`, and the implementation that needs nothing."""

from typing import Protocol

from stepwell.schemas.documents import Document


class ContentSource(Protocol):
    """Gives a document as it is now."""

    async def fetch(self, document: Document) -> Document | None:
        """The document that an event brought, as its source has it; None: it is gone.

        Raises `ServiceUnavailable`, perhaps with when to come again, and `RefusedByService`.
        """
        ...


class PayloadSource:
    """The document as the event brought it."""

    async def fetch(self, document: Document) -> Document:
        """The same."""
        return document
