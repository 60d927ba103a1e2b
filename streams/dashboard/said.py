"""What a page says once: what became of the form that led to it, in a short-lived cookie."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass

import orjson
from aiohttp import web

COOKIE = "stepwell_said"
KEPT_S = 60
TEXT_LENGTH_MAX = 1000
_KINDS = frozenset({"good", "bad", "warn", "info"})


@dataclass(frozen=True, slots=True)
class Said:
    """A notice on a page; `kind` is good, bad, warn or info."""

    kind: str
    title: str
    text: str = ""


def tell(response: web.StreamResponse, said: Said) -> None:
    """Have the page say it to which this redirect leads."""
    shown = Said(said.kind, said.title, said.text[:TEXT_LENGTH_MAX])
    value = urlsafe_b64encode(orjson.dumps(astuple(shown))).decode()
    response.set_cookie(COOKIE, value, max_age=KEPT_S, path="/", httponly=True, samesite="Strict")


def said_before(request: web.Request) -> Said | None:
    """What the page should say; a cookie that is not ours says nothing."""
    try:
        found = orjson.loads(urlsafe_b64decode(request.cookies.get(COOKIE, "")))
        said = Said(*found) if isinstance(found, list) else None
    except (binascii.Error, ValueError, TypeError):
        return None
    is_ours = said is not None and all(isinstance(part, str) for part in astuple(said))
    return said if is_ours and said is not None and said.kind in _KINDS else None


def forget(response: web.StreamResponse) -> None:
    """It has been said."""
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
