"""Read models of the journal that the settings name: which file, and how it is kept current."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import structlog

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import InstanceNotFound, InvalidRequest, ReadModelUnavailable
from stepwell.streams.gateway.requests import check_address
from stepwell.streams.kafka.feed import Feed, open_feed
from stepwell.streams.readmodel.follower import Follower, caught_up, following
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.readmodel.place import read_model_path
from stepwell.streams.settings import Settings
from stepwell.streams.wiring import security_of, topics_of

log = structlog.get_logger(__name__)


async def read_model(settings: Settings) -> ReadModel:
    """What the journal says now; the caller closes it. Raises `BrokerUnavailable`.

    What was read before is kept in a file; where that cannot be, all of it is read each time.
    """
    try:
        return await caught_up(lambda: _feed(settings), read_model_path(settings))
    except ReadModelUnavailable as error:
        log.warning("the whole journal is read", why=str(error))
        return await caught_up(lambda: _feed(settings), None)


@asynccontextmanager
async def open_read_model(settings: Settings) -> AsyncIterator[ReadModel]:
    """What the journal says now."""
    model = await read_model(settings)
    try:
        yield model
    finally:
        model.close()


def follow_journal(settings: Settings, reader: str = "") -> AbstractAsyncContextManager[Follower]:
    """A read model that is kept current for as long as it is open.

    A reader with a name needs its file, and raises `ReadModelUnavailable`; commands do without.
    """
    path = read_model_path(settings, reader)
    return following(lambda: _feed(settings), path if reader or _is_usable(path) else None)


def the_one(model: ReadModel, workflow: str | None, instance_id: str) -> InstanceKey:
    """The instance of that id; raises `InstanceNotFound`, `InvalidRequest` when several have it."""
    found = model.find(workflow, check_address(instance_id))
    if not found:
        where = f" of workflow {workflow}" if workflow else ""
        raise InstanceNotFound(f"there is no instance {instance_id}{where}")
    if len(found) > 1:
        names = ", ".join(key.workflow for key in found)
        raise InvalidRequest(
            f"several workflows have an instance {instance_id}: say which of {names}"
        )
    return found[0]


def _is_usable(path: Path) -> bool:
    try:
        ReadModel(path).close()
    except ReadModelUnavailable as error:
        log.warning("the whole journal is read", why=str(error))
        return False
    return True


def _feed(settings: Settings) -> AbstractAsyncContextManager[Feed]:
    kafka = settings.kafka
    return open_feed(kafka.bootstrap, topics_of(kafka).journal, security=security_of(kafka))
