"""What single values of settings may be: the types of the tree in `settings.py`."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", re.ASCII)
TOPIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
COLLECTION_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,99}")
PORT_MAX = 65535
HEADER_PLACE = "header:"
"""Begins a place that is a header; one with "/" is a JSON pointer, others are the text itself."""
TAKEN_DOCUMENT_TYPES = ("issue", "milestone", "comment", "github")
TAKEN_SOURCE_NAMES = ("events", "github", "standard")


def _addresses(text: str) -> str:
    for address in text.split(","):
        found = ADDRESS.fullmatch(address.strip())
        if not found or not 1 <= int(found[1]) <= PORT_MAX:
            raise ValueError("should be host:port or host:port,host:port…, without a scheme")
    return text.replace(" ", "")


def _host(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]+", text, re.ASCII):
        raise ValueError("should be a host name or an IP address, without scheme or port")
    return text


def _topic_name(text: str) -> str:
    if not TOPIC_NAME.fullmatch(text):
        raise ValueError("should be 1 to 100 letters, digits, '.', '_' or '-'")
    return text


def _collection_name(text: str) -> str:
    if not COLLECTION_NAME.fullmatch(text):
        raise ValueError("should begin with a capital and go on with letters, digits or '_'")
    return text


def _index_url(text: str) -> str:
    try:
        url = urlsplit(text)
        usable = bool(
            (url.scheme == "weaviate" and url.hostname and url.port != 0)
            or (url.scheme == "sqlite" and url.path and not url.netloc)
        )
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("should be weaviate://host:port?grpc_port=port or sqlite:///path/file.db")
    return text


def _http_header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", text):
        raise ValueError("should be the name of an HTTP header")
    return text


def _place(text: str) -> str:
    if text.startswith(HEADER_PLACE):
        _http_header(text.removeprefix(HEADER_PLACE))
    return text


def _source_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,50}", text) or text in TAKEN_SOURCE_NAMES:
        taken = ", ".join(TAKEN_SOURCE_NAMES)
        raise ValueError(f"names of sources should be of a-z, 0-9 and '-', and not {taken}")
    return text


def _api_url(text: str) -> str:
    try:
        url = urlsplit(text)
        plain = not (url.username or url.password or url.query or url.fragment)
        usable = bool(url.scheme in ("https", "http") and url.hostname and url.port != 0 and plain)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("should be https://host/path, without user, query or fragment")
    return text.rstrip("/")


def _field_place(text: str) -> str:
    if text.startswith("/") and re.search(r"~(?![01])", text):
        raise ValueError("'~' in a JSON pointer should be written as ~0, and '/' in a name as ~1")
    return text


def _document_type(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,50}", text) or text in TAKEN_DOCUMENT_TYPES:
        taken = ", ".join(TAKEN_DOCUMENT_TYPES)
        raise ValueError(f"types of documents should be of a-z, 0-9 and '-', and not {taken}")
    return text


def _path(path: Path) -> Path:
    return path.expanduser()


Addresses = Annotated[str, AfterValidator(_addresses)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=PORT_MAX)]
Positive = Annotated[int, Field(ge=1)]
TopicName = Annotated[str, AfterValidator(_topic_name)]
CollectionName = Annotated[str, AfterValidator(_collection_name)]
IndexUrl = Annotated[str, AfterValidator(_index_url)]
Text = Annotated[str, Field(min_length=1)]
UserPath = Annotated[Path, AfterValidator(_path)]
HttpHeader = Annotated[str, AfterValidator(_http_header)]
Place = Annotated[str, Field(min_length=1), AfterValidator(_place)]
SourceName = Annotated[str, AfterValidator(_source_name)]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
FieldPlace = Annotated[str, AfterValidator(_field_place)]
DocumentType = Annotated[str, AfterValidator(_document_type)]
