"""`/replays`: plan one, look at what it would do, execute it, and see how it goes."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from stepwell.streams.dashboard.progress import Progress
from stepwell.streams.dashboard.replay_forms import ask_of, pace_of
from stepwell.streams.dashboard.said import Said, said_before, tell
from stepwell.streams.dashboard.site import Clock, Handler, Site, fields, redirect
from stepwell.streams.dashboard.texts import segment
from stepwell.streams.errors import InvalidRequest, ReplayError
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.replays import Replays, ReplayView

POLL_MS = 1_500
PATH = "/replays/{replay:[A-Za-z0-9-]{1,100}}"
VERDICTS = ("same", "changed", "added", "missing", "skipped")
MAY_BEGIN = frozenset({"planned", "cancelled", "interrupted", "errored"})
NOT_FOUND = "replay.not_found"


class ReplayPages:
    """The list, one replay, and the forms that plan, execute and stop it."""

    def __init__(self, site: Site, replays: Replays, *, clock: Clock) -> None:
        self._site = site
        self._replays = replays
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get("/replays", self._page(self.index)),
            web.post("/replays", self._page(self.plan)),
            web.get(PATH, self._page(self.show)),
            web.post(f"{PATH}/execute", self._page(self.execute)),
            web.post(f"{PATH}/stop", self._page(self.stop)),
        ]

    def _page(self, handler: Handler) -> Handler:
        return self._site.page(_translated(handler))

    async def index(self, request: web.Request) -> web.Response:
        """The newest first, and the form for a new one; links may fill it in."""
        return await self._listed(request, said_before(request), dict(request.query))

    async def plan(self, request: web.Request) -> web.Response:
        """Make a plan, which changes nothing, and show it."""
        given = await fields(request)
        try:
            plan = await self._replays.plan(ask_of(given))
        except (InvalidRequest, ReplayError) as error:
            said = Said("bad", "There is no plan.", str(error.args[0]))
            return await self._listed(request, said, given, status=422)
        return redirect(f"/replays/{segment(plan.id)}")

    async def show(self, request: web.Request) -> web.Response:
        """One replay: its plan, how far it is, what is not the same."""
        return await self._shown(request, said_before(request))

    async def execute(self, request: web.Request) -> web.Response:
        """Begin it, or go on with it."""
        given, name = await fields(request), request.match_info["replay"]
        try:
            pace = pace_of(given)
            found = await self._replays.execute(
                name, rate=pace.rate, concurrency=pace.concurrency, wait=pace.wait
            )
        except (InvalidRequest, ReplayError) as error:
            if isinstance(error, ReplayError) and error.code == NOT_FOUND:
                raise
            said = Said("bad", "Not executed.", str(error.args[0]))
            return await self._shown(request, said, status=422)
        return self._led_back(name, Said("good", "Begun.", f"Replay {found.id} is {found.status}."))

    async def stop(self, request: web.Request) -> web.Response:
        """Stop it; what it started runs on."""
        await fields(request)
        name = request.match_info["replay"]
        found = await self._replays.cancel(name)
        if found.status == "cancelled":
            return self._led_back(name, Said("good", "Stopped.", "What it started runs on."))
        return self._led_back(name, Said("info", "No effect.", f"It is {found.status}."))

    def _led_back(self, name: str, said: Said) -> web.Response:
        response = redirect(f"/replays/{segment(name)}")
        tell(response, said)
        return response

    async def _listed(
        self,
        request: web.Request,
        said: Said | None,
        given: Mapping[str, str],
        *,
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        found = await self._replays.list()
        return self._site.render(
            request,
            "replays.html",
            status=status,
            replays=[(it, self._progress(it)) for it in found],
            any_running=any(it.status == "running" for it in found),
            given=given,
            poll_ms=POLL_MS,
            said=said,
            twin="/api/v1/replays",
        )

    async def _shown(
        self, request: web.Request, said: Said | None, *, status: int = HTTPStatus.OK
    ) -> web.Response:
        replay = await self._replays.find(request.match_info["replay"])
        return self._site.render(
            request,
            "replay.html",
            status=status,
            replay=replay,
            plan=replay.plan,
            progress=self._progress(replay),
            may_begin=replay.status in MAY_BEGIN,
            verdicts=VERDICTS,
            poll_ms=POLL_MS,
            here=f"/replays/{segment(replay.id)}",
            said=said,
            twin=f"/api/v1/replays/{segment(replay.id)}",
        )

    def _progress(self, replay: ReplayView) -> Progress:
        began_ms = replay.started_ms or replay.at_ms
        until_ms = replay.finished_ms or (self._clock() if replay.status == "running" else began_ms)
        return Progress(
            replay.done,
            replay.total,
            max(0, until_ms - began_ms),
            is_over=replay.status == "complete",
        )


def _translated(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ReplayError as error:
            missing = error.code == NOT_FOUND
            status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.CONFLICT
            raise Problem(status, error.code, str(error), code=error.code) from error

    return answer
