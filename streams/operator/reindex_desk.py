"""Re-indexes as the dashboard sees them: the newest, from the read model; started and stopped."""

from dataclasses import dataclass

from stepwell.schemas.commands import TerminateRequested
from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.api_bodies import UNSTAMPED
from stepwell.streams.gateway.control import Control
from stepwell.streams.gateway.reader import Reader
from stepwell.streams.gateway.reindex_list import KnownReindex
from stepwell.streams.gateway.reindexing import ReindexRequest
from stepwell.streams.lists import InstanceFilters
from stepwell.streams.operator.reindexing import Reindexes, view_of
from stepwell.streams.views import Receipt, ReindexStarted
from stepwell.streams.workflows.reindex import ReindexDocuments


@dataclass(frozen=True, slots=True)
class OpenReindexDesk:
    """Obeys `gateway.reindex_list.ReindexDesk`."""

    reader: Reader
    control: Control
    reindexes: Reindexes

    async def recent(self, limit: int) -> list[KnownReindex]:
        """The newest first; what is no re-index but has that name is left out."""
        name = ReindexDocuments.name
        page = await self.reader.page(InstanceFilters(workflow=name), limit=limit, cursor=None)
        found = []
        for summary in page.instances:
            details = await self.reader.details(name, summary.instance_id)
            if details is None:
                continue
            try:
                view = view_of(details)
            except InvalidRequest:
                continue
            found.append(KnownReindex(view, summary.created_ms, summary.updated_ms))
        return found

    async def start(self, request: ReindexRequest) -> ReindexStarted:
        """Start one of a repository."""
        return await self.reindexes.start(request)

    async def stop(self, instance_id: str, reason: str) -> Receipt:
        """End it."""
        key = InstanceKey(ReindexDocuments.name, instance_id)
        return await self.control.tell(key, TerminateRequested(UNSTAMPED, reason=reason))
