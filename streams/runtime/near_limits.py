"""Says that an instance has used a fifth of a limit, long before the limit ends it."""

from collections import OrderedDict
from collections.abc import Callable

import structlog

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.limits import NEAR_PERCENT, RESULT_BYTES_MAX

STEPS = "steps"
RECORD_BYTES = "record-bytes"
RECORD_BYTES_NEAR = RESULT_BYTES_MAX * NEAR_PERCENT // 100
TOLD_MAX = 10_000
"""So many instances are remembered; one that is forgotten is told of again."""

log = structlog.get_logger(__name__)


def _uncounted(_limit: str) -> None:
    """Counts nothing."""


class NearLimits:
    """Warns once of each instance and limit, for as long as this worker runs."""

    def __init__(self, count: Callable[[str], None] = _uncounted) -> None:
        """`count` is told the name of the limit."""
        self._count = count
        self._told: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def tell(self, key: bytes, limit: str, used: int, allowed: int) -> None:
        """So much of a limit is used; no-op when that was said before."""
        if (key, limit) in self._told:
            return
        self._told[key, limit] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
        self._count(limit)
        name = str(InstanceKey.decode(key))
        log.warning("limit is near", instance=name, limit=limit, used=used, allowed=allowed)
