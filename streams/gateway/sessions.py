"""Sessions of browsers: whoever typed a token once has a cookie that stands for it."""

from aiohttp import web

from stepwell.streams.gateway.guards import SESSION_COOKIE, SESSION_S, Guard, Scope

HOME = "/"


def open_session(
    guard: Guard, request: web.Request, response: web.StreamResponse, token: str
) -> Scope | None:
    """Give the browser a session; None: the token is wrong. Raises `Problem` 429, and 403."""
    guard.check_site(request)
    found = guard.session_of(request, token)
    if found is None:
        return None
    cookie, scope = found
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=SESSION_S,
        path=HOME,
        httponly=True,
        samesite="Strict",
        secure=_is_https(request),
    )
    return scope


def close_session(response: web.StreamResponse) -> None:
    """Take the session away from the browser."""
    response.del_cookie(SESSION_COOKIE, path=HOME, httponly=True, samesite="Strict")


def safe_next(text: str) -> str:
    """Where to go after the login: a path of this site, whatever was asked for."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_path and text.isprintable() and text.isascii() else HOME


def _is_https(request: web.Request) -> bool:
    """Whether the browser came by https, as it says itself or whoever ends TLS before us."""
    forwarded = request.headers.get("X-Forwarded-Proto", "").lower()
    return request.secure or forwarded == "https"
