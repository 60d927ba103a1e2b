"""Whom the gateway lets in: who has the token, and no page of another site."""

import hmac
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.settings import is_loopback


class Guard:
    """Checks requests by their headers; raises `Problem`."""

    def __init__(self, token: str | None) -> None:
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def check_token(self, request: web.Request) -> None:
        """Where there is a token, it is needed as a bearer token; compared in constant time."""
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if self._authorization and not hmac.compare_digest(given, self._authorization):
            raise Problem(
                HTTPStatus.UNAUTHORIZED, Reason.TOKEN, headers={"WWW-Authenticate": "Bearer"}
            )

    def check_site(self, request: web.Request) -> None:
        """A browser may be told by any page to send something; it says which page that was.

        Without a token a page could also have its own name point at this machine: then only the
        names of loopback are taken for the gateway's own.
        """
        host = request.host.lower()
        own = {f"http://{host}", f"https://{host}"}
        if any(origin.lower() not in own for origin in request.headers.getall("Origin", [])):
            detail = "The Origin is not this gateway: pages of other sites may not ask it."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, detail)
        if self._authorization is None and not is_loopback(_hostname(host)):
            detail = "Without gateway.token only 127.0.0.1, [::1] and localhost may be the Host."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.HOST, detail)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
