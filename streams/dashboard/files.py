"""`/static/{file}`: style sheets and scripts, from memory; by their hash they are kept for ever."""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from stepwell.streams.gateway.problems import Problem, Reason

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    hash: str


class StaticFiles:
    """The files of a folder, read once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {path.name: _read(path) for path in sorted(folder.iterdir())}

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application. Without a session: the login page needs them."""
        return [web.get("/static/{file}", self.serve)]

    def url(self, name: str) -> str:
        """Where a file is; another one when its contents change."""
        return f"/static/{name}?v={self._files[name].hash}"

    async def serve(self, request: web.Request) -> web.Response:
        """One file, or 304 for those who have it."""
        file = self._files.get(request.match_info["file"])
        if file is None:
            raise Problem(HTTPStatus.NOT_FOUND, Reason.ROUTE, "There is no such file.")
        is_named_by_hash = request.query.get("v") == file.hash
        headers = {
            "ETag": f'"{file.hash}"',
            "Cache-Control": FOR_EVER if is_named_by_hash else ASK_AGAIN,
            "X-Content-Type-Options": "nosniff",
        }
        known = request.if_none_match or ()
        if any(tag.value in (file.hash, "*") for tag in known):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(
            body=file.body, content_type=file.media_type, charset="utf-8", headers=headers
        )


def _read(path: Path) -> _File:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:_HASH_LENGTH]
    return _File(body, MEDIA_TYPES[path.suffix], digest)
