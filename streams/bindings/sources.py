"""What is read from the web."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stepwell.streams.bindings.errors import RefusedByService
from stepwell.streams.bindings.http import Http, Page


class Source(Protocol):
    """Gives what is at an address."""

    async def fetch(self, url: str) -> Page:
        """The page; raises `ServiceUnavailable`, `RefusedByService`."""
        ...


@dataclass(frozen=True, slots=True)
class HttpSource:
    """Everything that `http` reaches; mind who may name addresses when that is private.

    `headers` go with every call (`Authorization`).
    """

    http: Http
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def fetch(self, url: str) -> Page:
        """The page; raises `ServiceUnavailable`, `RefusedByService`."""
        return await self.http.get(url, self.headers)


@dataclass(frozen=True, slots=True)
class LocalSource:
    """These pages and no others."""

    pages: Mapping[str, Page]

    @classmethod
    def of(
        cls, contents: Mapping[str, str | bytes], media_type: str = "text/plain"
    ) -> "LocalSource":
        """A source of these contents by their addresses."""
        return cls(
            {
                url: Page(url, media_type, it.encode() if isinstance(it, str) else it)
                for url, it in contents.items()
            }
        )

    async def fetch(self, url: str) -> Page:
        """The page; raises `RefusedByService`."""
        if url not in self.pages:
            raise RefusedByService("local source", f"404 nothing at {url}")
        return self.pages[url]
