"""Why a request was refused: an error that becomes an RFC 9457 answer.

StepwellError
└── Problem             the answer to a request that is refused
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

import orjson
from aiohttp import web

from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.streams.errors import (
    InstanceError,
    InstanceNotFound,
    InvalidInstanceId,
    InvalidRequest,
    StepNotFound,
    StepwellError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
SEND_AGAIN = "The event could not be stored in time. Send it again."


class Reason(StrEnum):
    """Label of the refusals metric; the reasons of a refused event are used as they are."""

    MISSING = "missing"
    SCHEME = "scheme"
    SIGNATURE = "signature"
    STALE = "stale"
    HEADER = "header"
    MEDIA_TYPE = "media_type"
    ENCODING = "encoding"
    SIZE = "size"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    ROUTE = "route"
    JSON = "json"
    ORIGIN = "origin"
    QUERY = "query"
    HOST = "host"
    TOKEN = "token"  # noqa: S105 - a label
    SCOPE = "scope"
    GUESSES = "guesses"


@dataclass(eq=False)
class Problem(StepwellError):
    """A refusal. `detail` is for the sender, `hint` for the log only."""

    status: HTTPStatus
    reason: str
    detail: str = ""
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    """Whether the rest of the request is not worth reading."""
    code: str = ""
    """For programs: which error this is; only answers of the API have one."""

    def __str__(self) -> str:
        return f"{self.status.value} {self.reason}: {self.detail or self.hint}"

    def response(self) -> web.Response:
        """The answer."""
        body = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        if self.detail:
            body["detail"] = self.detail
        if self.code:
            body["code"] = self.code
        response = web.Response(
            body=orjson.dumps(body),
            status=self.status,
            headers=self.headers,
            content_type=MEDIA_TYPE,
        )
        if self.close:
            response.force_close()
        return response


def unauthorized(reason: Reason, hint: str) -> Problem:
    """The same answer whatever was wrong; only the log says it."""
    return Problem(HTTPStatus.UNAUTHORIZED, reason, hint=hint)


def bad_header(detail: str) -> Problem:
    """A header is missing, there twice, or not what it should be."""
    return Problem(HTTPStatus.BAD_REQUEST, Reason.HEADER, detail)


def unavailable(hint: str, detail: str = SEND_AGAIN) -> Problem:
    """Kafka did not answer in time."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        Reason.UNAVAILABLE,
        detail,
        hint,
        {"Retry-After": str(RETRY_AFTER_S)},
    )


def not_an_event(error: EventRejected) -> Problem:
    """The body was read, but is no event."""
    statuses = {
        RejectReason.SHAPE: HTTPStatus.UNPROCESSABLE_ENTITY,
        RejectReason.SIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    }
    return Problem(statuses.get(error.reason, HTTPStatus.BAD_REQUEST), error.reason, error.detail)


def refused(error: InstanceError) -> Problem:
    """An instance cannot do what was asked of it."""
    statuses: dict[type[InstanceError], HTTPStatus] = {
        InvalidInstanceId: HTTPStatus.UNPROCESSABLE_ENTITY,
        InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
        InstanceNotFound: HTTPStatus.NOT_FOUND,
        StepNotFound: HTTPStatus.NOT_FOUND,
    }
    status = statuses.get(type(error), HTTPStatus.CONFLICT)
    return Problem(status, error.code, str(error.args[0]), code=error.code)
