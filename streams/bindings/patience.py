"""When to try again: when the service says so, otherwise at growing distances."""

from stepwell.streams.bindings.errors import ServiceUnavailable
from stepwell.streams.engine.retry import Retries
from stepwell.streams.engine.workflow import StepContext

BASE_MS = 5_000
GROWN_MS_MAX = 10 * 60_000
ASKED_MS_MAX = 24 * 60 * 60_000


def patience_ms(context: StepContext, error: Exception) -> int:
    """The delay after a failed attempt."""
    if isinstance(error, ServiceUnavailable) and error.retry_after_ms is not None:
        return min(error.retry_after_ms, ASKED_MS_MAX)
    return min(BASE_MS << min(context.attempt - 1, 16), GROWN_MS_MAX)


COURTEOUS = Retries(limit=100, delay=patience_ms, backoff="constant")
"""Rides out a service that is down for most of a day, and limits of calls per hour."""
