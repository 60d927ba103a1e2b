"""Whom the gateway lets in, and to what: by a token or a session, and no page of another site."""

import hmac
import time
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from stepwell.streams.gateway.guesses import Guesses
from stepwell.streams.gateway.problems import Problem, Reason
from stepwell.streams.settings import is_loopback

SESSION_COOKIE = "stepwell_session"
SESSION_S = 12 * 60 * 60
_BEARER = "bearer "
_SAFE = ("GET", "HEAD", "OPTIONS")
_STAMP_LENGTH = 12


class Scope(StrEnum):
    """What a token allows; whoever may operate may read too."""

    READ = "read"
    OPERATE = "operate"

    def allows(self, wanted: "Scope") -> bool:
        """Whether this is enough for what is wanted."""
        return self is Scope.OPERATE or wanted is Scope.READ


class Guard:
    """Checks requests by their headers; raises `Problem`. One for a process: it counts guesses.

    Without tokens everybody may do everything: then the gateway listens on loopback only.
    """

    def __init__(
        self,
        token: str | None,
        read_token: str | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = {Scope.OPERATE: token, Scope.READ: read_token}
        self._tokens = {scope: it.encode() for scope, it in given.items() if it is not None}
        self._guesses = Guesses()
        self._clock = clock

    @property
    def is_open(self) -> bool:
        """Whether there is no token at all."""
        return not self._tokens

    def check(self, request: web.Request, wanted: Scope) -> Scope:
        """What the sender may do, if that is enough: 401 to nobody, 403 to those who may not."""
        if (allowed := self.scope_of(request)) is None:
            self._refuse_guess(request)
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Problem(HTTPStatus.UNAUTHORIZED, Reason.TOKEN, headers=challenge)
        self.check_site(request)
        if not allowed.allows(wanted):
            detail = "This token may only read: what was asked needs gateway.token."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.SCOPE, detail)
        return allowed

    def scope_of(self, request: web.Request) -> Scope | None:
        """What the sender may do, by bearer token or else by session; None: nothing.

        Raises `Problem` 429 to tokens from where too many wrong ones came; sessions go on.
        """
        if self.is_open:
            return Scope.OPERATE
        if (token := _bearer(request)) is None:
            return self._scope_of_session(request.cookies.get(SESSION_COOKIE, ""))
        self._check_guesses(request)
        return self._scope_of_token(token)

    def check_site(self, request: web.Request) -> None:
        """A browser may be told by any page to send something; it says which page that was.

        Without a token a page could also have its own name point at this machine: then only the
        names of loopback are taken for the gateway's own.
        """
        host = request.host.lower()
        own = {f"http://{host}", f"https://{host}"}
        origins = request.headers.getall("Origin", [])
        if any(origin.lower() not in own for origin in origins):
            detail = "The Origin is not this gateway: pages of other sites may not ask it."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, detail)
        by_session = not self.is_open and _bearer(request) is None
        if by_session and request.method not in _SAFE and not origins:
            detail = "With a session, what changes something needs an Origin; browsers send it."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.ORIGIN, detail)
        if self.is_open and not is_loopback(_hostname(host)):
            detail = "Without gateway.token only 127.0.0.1, [::1] and localhost may be the Host."
            raise Problem(HTTPStatus.FORBIDDEN, Reason.HOST, detail)

    def session_of(self, request: web.Request, token: str) -> tuple[str, Scope] | None:
        """What a cookie should hold for whoever has this token; None: it is no token of ours.

        Raises `Problem` 429. Nothing is stored: another token ends all sessions of this one.
        """
        self._check_guesses(request)
        scope = self._scope_of_token(token.encode(errors="backslashreplace"))
        if scope is None:
            self._refuse_guess(request, wrong=True)
            return None
        until_s = int(self._clock()) + SESSION_S
        return f"{until_s}.{self._stamp(scope, until_s)}", scope

    # --- inside -------------------------------------------------------------------------------

    def _scope_of_token(self, token: bytes) -> Scope | None:
        """Compared with every token, in constant time."""
        found = [it for it, own in self._tokens.items() if hmac.compare_digest(token, own)]
        return found[0] if found else None

    def _scope_of_session(self, cookie: str) -> Scope | None:
        text, _, stamp = cookie.partition(".")
        if not (text.isascii() and text.isdecimal() and len(text) <= _STAMP_LENGTH):
            return None
        if not stamp.isascii() or int(text) <= self._clock():
            return None
        stamps = {scope: self._stamp(scope, int(text)) for scope in self._tokens}
        found = [scope for scope, own in stamps.items() if hmac.compare_digest(stamp, own)]
        return found[0] if found else None

    def _stamp(self, scope: Scope, until_s: int) -> str:
        message = f"stepwell session {scope} {until_s}".encode()
        return hmac.new(self._tokens[scope], message, sha256).hexdigest()

    def _check_guesses(self, request: web.Request) -> None:
        wait_s = self._guesses.wait_s(request.remote or "", self._clock())
        if wait_s and not self.is_open:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                Reason.GUESSES,
                f"Too many wrong tokens came from your address. Try again in {wait_s} s.",
                headers={"Retry-After": str(wait_s)},
            )

    def _refuse_guess(self, request: web.Request, *, wrong: bool = False) -> None:
        """Count a wrong token; no token at all is no guess."""
        if wrong or _bearer(request) is not None:
            self._guesses.count(request.remote or "", self._clock())


def _bearer(request: web.Request) -> bytes | None:
    """What was sent as a token; None: nothing was."""
    given = request.headers.get("Authorization")
    if given is None:
        return None
    is_bearer = given.lower().startswith(_BEARER)
    return (given[len(_BEARER) :] if is_bearer else "").encode(errors="surrogateescape")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
