"""`/login` and `/logout`: a token for a cookie that scripts cannot read."""

from http import HTTPStatus

from aiohttp import web

from stepwell.streams.dashboard.site import Site, fields, redirect
from stepwell.streams.gateway.sessions import close_session, open_session, safe_next

TOKEN_LENGTH_MAX = 4096


class Login:
    """The routes."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application."""
        return [
            web.get("/login", self._site.open_page(self.ask)),
            web.post("/login", self._site.open_page(self.enter)),
            web.post("/logout", self._site.open_page(self.leave)),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        """The form; whoever may read already is led on."""
        place = safe_next(request.query.get("next", "/"))
        if self._site.guard.scope_of(request) is not None:
            return redirect(place)
        response = self._site.render(request, "login.html", next=place, wrong=False)
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            # Whoever followed a link of another site comes without the cookie: asked again by
            # this page, the browser brings it, if there is one.
            response.headers["Refresh"] = "0"
        return response

    async def enter(self, request: web.Request) -> web.Response:
        """Take a token."""
        given = await fields(request)
        place = safe_next(given.get("next", "/"))
        response = redirect(place)
        token = given.get("token", "")[:TOKEN_LENGTH_MAX]
        if open_session(self._site.guard, request, response, token) is not None:
            return response
        status = HTTPStatus.UNAUTHORIZED
        return self._site.render(request, "login.html", status=status, next=place, wrong=True)

    async def leave(self, _: web.Request) -> web.Response:
        """Forget the cookie."""
        response = redirect("/login")
        close_session(response)
        return response
