"""Replays and re-indexes of earlier, for whoever has only the settings."""

from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.reindex_list import KnownReindex
from stepwell.streams.gateway.replays import ReplayView
from stepwell.streams.lists import InstanceFilters
from stepwell.streams.operator.reading import open_read_model
from stepwell.streams.operator.reindexing import view_of
from stepwell.streams.operator.replay_desk import open_replays
from stepwell.streams.readmodel.model import LATEST
from stepwell.streams.replay.errors import PlaceNotFound
from stepwell.streams.settings import Settings
from stepwell.streams.workflows.reindex import ReindexDocuments


async def list_replays(settings: Settings) -> list[ReplayView]:
    """Those that were planned or done on this machine, newest first."""
    async with open_replays(settings) as desk:
        return await desk.list()


async def show_replay(settings: Settings, replay_id: str) -> ReplayView:
    """One of them; the id `latest` is the newest. Raises `PlaceNotFound`."""
    async with open_replays(settings) as desk:
        if replay_id == LATEST:
            newest = await desk.list()
            if not newest:
                raise PlaceNotFound("no replay was begun here")
            replay_id = newest[0].id
        return await desk.find(replay_id)


async def list_reindexes(settings: Settings, limit: int) -> list[KnownReindex]:
    """The newest first; what is no re-index but has that name is left out."""
    name, found = ReindexDocuments.name, []
    async with open_read_model(settings) as model:
        page = model.page(InstanceFilters(workflow=name), limit=limit)
        for it in page.instances:
            details = next(model.details(name, it.instance_id), None)
            try:
                view = details and view_of(details)
            except InvalidRequest:
                continue
            if view:
                found.append(KnownReindex(view, it.created_ms, it.updated_ms))
    return found
