"""What a re-index is asked for, and who starts it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import ConfigDict, Field, with_config

from stepwell.streams.settings_values import CollectionName
from stepwell.streams.views import ReindexStarted

RATE_MAX = 1_000_000
SOURCE_LENGTH_MAX = 300
Rate = Annotated[float, Field(gt=0, le=RATE_MAX, allow_inf_nan=False)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What is asked for; without an id it gets one."""

    source: Annotated[str, Field(min_length=1, max_length=SOURCE_LENGTH_MAX)]
    """`github:owner/name`, or what to call the documents that are sent."""
    id: str | None = None
    into: CollectionName | None = None
    """The collection; otherwise the one that searches go to."""
    rate: Rate | None = None
    """Documents per second, at most."""
    prune: bool = False
    """Whether to remove from the collection what the source does not have."""


class StartReindex(Protocol):
    """Starts one, of these documents or of the repository that is asked for."""

    async def __call__(
        self, request: ReindexRequest, content: AsyncIterator[bytes] | None = None
    ) -> ReindexStarted:
        """Raises `InvalidRequest`, `InstanceExists`, `BrokerUnavailable`."""
        ...
