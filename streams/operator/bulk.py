"""One thing asked of many instances, by whoever has only the settings."""

from collections.abc import Callable

from stepwell.streams.gateway import bulk
from stepwell.streams.gateway.bulk import BulkPlan, BulkProgress, BulkRequest, BulkResult
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.lists import InstanceFilters, InstancePage
from stepwell.streams.operator.control import open_control
from stepwell.streams.operator.reading import follow_journal, open_read_model
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.reader import ModelReader
from stepwell.streams.settings import Settings


async def plan_bulk(settings: Settings, request: BulkRequest) -> BulkPlan:
    """What would happen; nothing does. Raises `InvalidRequest` when it is too much at once."""
    async with open_read_model(settings) as model:
        return await bulk.plan_bulk(_Lists(model), request)


class _Lists:
    """Obeys `bulk.Lists`: what was in the journal when it was asked."""

    def __init__(self, model: ReadModel) -> None:
        self._model = model

    async def page(
        self, filters: InstanceFilters, *, limit: int, cursor: str | None
    ) -> InstancePage:
        """Instances, newest first."""
        return self._model.page(filters, limit=limit, cursor=cursor)

    async def commands(self, prefix: str) -> list[Ruling]:
        """What became of the commands whose ids begin so."""
        return self._model.commands(prefix)


async def execute_bulk(
    settings: Settings,
    request: BulkRequest,
    *,
    bulk_id: str,
    expected: int,
    report: Callable[[BulkProgress], None],
) -> BulkResult:
    """Do it to as many as expected; the same id again tells nobody twice.

    Raises `BulkChanged` when others match now.
    """
    async with (
        follow_journal(settings) as follower,
        open_control(settings, follower) as control,
    ):
        return await bulk.execute_bulk(
            control,
            ModelReader(follower),
            request,
            bulk_id=bulk_id,
            expected=expected,
            report=report,
        )
