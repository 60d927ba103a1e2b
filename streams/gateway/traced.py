"""Traces of what comes in: requests that make events or instances, and the records of events."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from stepwell.schemas.cloudevents import EventRecord
from stepwell.streams.gateway.intake import EventLog
from stepwell.streams.spans import Tracing

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def tracing_requests(tracing: Tracing) -> Middleware:
    """Each request that may change something, with the status that it was answered with."""

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST":  # to look at things makes nothing
            return await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource else ""
        with tracing.serving(request.method, route, request.headers) as span:
            response = await handler(request)
            span.note(http__response__status_code=response.status)
            if response.status >= web.HTTPInternalServerError.status_code:
                span.failed(str(response.status), response.reason or "")
            return response

    return traced


class TracedEvents:
    """An `EventLog` whose records say which trace they belong to."""

    def __init__(self, event_log: EventLog, topic: str, tracing: Tracing) -> None:
        self._event_log = event_log
        self._topic = topic
        self._tracing = tracing

    async def append(self, record: EventRecord) -> object:
        """Append it with the headers of the trace."""
        with self._tracing.sending(self._topic) as span:
            headers = [*record.headers, *span.headers]
            return await self._event_log.append(record._replace(headers=headers))

    async def reachable(self) -> bool:
        """Whether the log answers right now."""
        return await self._event_log.reachable()
