"""Reads the body of a request as it came, within a size and a time."""

import asyncio
from http import HTTPStatus

from aiohttp import web

from stepwell.streams.gateway.problems import Problem, Reason

JSON_TIMEOUT_MS = 10_000


async def read_json(request: web.Request, *, max_bytes: int) -> bytes:
    """The raw body of what says that it is JSON; raises `Problem` 415 otherwise.

    A form of another site cannot say that.
    """
    if request.content_type != "application/json":
        detail = "Send application/json, and say so in Content-Type."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Reason.MEDIA_TYPE, detail, close=True)
    return await read_body(request, max_bytes=max_bytes, timeout_ms=JSON_TIMEOUT_MS)


async def read_body(request: web.Request, *, max_bytes: int, timeout_ms: int) -> bytes:
    """The raw body; raises `Problem` 408, 413 or 415, each of which closes the connection.

    The application's `client_max_size` must be `max_bytes` too: it bounds chunked bodies.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            Reason.ENCODING,
            "Encoded bodies are not taken; send it without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
            close=True,
        )
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return await request.read()
    except TimeoutError:
        detail = f"The body did not arrive within {timeout_ms} ms."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, Reason.TIMEOUT, detail, close=True) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(max_bytes) from None
    except web.RequestPayloadError:
        detail = "The body ended early or its framing is broken."
        raise Problem(HTTPStatus.BAD_REQUEST, Reason.ENCODING, detail, close=True) from None


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Reason.SIZE,
        f"At most {max_bytes} bytes are taken.",
        close=True,
    )
