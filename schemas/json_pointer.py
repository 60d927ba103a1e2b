"""JSON pointers (RFC 6901): where in a document a value is."""

from stepwell.schemas.events import Json

MISSING = object()
"""What `look_up` finds where there is nothing: `null` is something."""


def look_up(document: Json, pointer: str) -> Json:
    """The value at the pointer, `MISSING` where there is none."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name, MISSING)
        elif isinstance(document, list) and _is_index(name, len(document)):
            document = document[int(name)]
        else:
            return MISSING
    return document


def _is_index(name: str, length: int) -> bool:
    return name.isdecimal() and len(name) < 10 and int(name) < length


def text_at(document: Json, pointer: str) -> str | None:
    """The text or whole number at the pointer, as text; None where there is neither."""
    found = look_up(document, pointer)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return str(found)
