"""Kafka's framing: length, header, body. Everything else about a message is in its schema."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from stepwell.streams.broker.messages import Message, message_class

LENGTH = struct.Struct(">i")
_HEAD = struct.Struct(">hhih")  # API key, version, correlation id, length of the client id
_ANSWER = struct.Struct(">ii")
API_VERSIONS = 18


class RequestHeader(NamedTuple):
    """The header of a request, and where the body begins if the version is a flexible one."""

    api_key: int
    version: int
    correlation_id: int
    client_id: str
    end: int


class Malformed(ValueError):
    """What came over the connection is no request."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One request as it came."""

    header: RequestHeader
    data: bytes

    def body(self, name: str) -> Message:
        """The request of an API that is known to be of this name; raises `Malformed`."""
        request = message_class(f"{name}Request")
        position = self.header.end
        try:
            if request.flexible_version_q(self.header.version):
                position = _skip_tags(self.data, position)
            body = memoryview(self.data)[position:]
            return request.decode(body, version=self.header.version)
        except (ValueError, IndexError, TypeError, struct.error) as error:
            raise Malformed(f"{name} version {self.header.version}: {error}") from error


def read_frame(data: bytes) -> Frame:
    """The request in a frame without its length; raises `Malformed`."""
    try:
        key, version, correlation_id, size = _HEAD.unpack_from(data)
        end = _HEAD.size + max(0, size)
        client_id = data[_HEAD.size : end].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from error
    return Frame(RequestHeader(key, version, correlation_id, client_id, end), data)


def encode_answer(header: RequestHeader, answer: Message) -> bytes:
    """An answer in its frame."""
    flexible = answer.flexible_version_q(answer.version) and header.api_key != API_VERSIONS
    body = answer.encode()
    tags = b"\0" if flexible else b""
    head = _ANSWER.pack(4 + len(tags) + len(body), header.correlation_id)
    return b"".join((head, tags, body))


def _skip_tags(data: bytes, position: int) -> int:
    """The end of the tagged fields of a header, which are all unknown to us."""
    count, position = _unsigned(data, position)
    for _ in range(count):
        _, position = _unsigned(data, position)
        size, position = _unsigned(data, position)
        position += size
    return position


def _unsigned(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, position
        shift += 7
