"""What becomes of texts that others wrote before they are stored: cleaned, and cut to fit."""

import re

BODY_BYTES_MAX = 256 * 1024
TITLE_BYTES_MAX = 4 * 1024
LABELS_MAX = 100
LABEL_BYTES_MAX = 256

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def clean(text: str) -> str:
    """Without control characters other than tab and line ends."""
    # NUL breaks stores; the others mean nothing in Markdown and take six bytes each in JSON.
    return _CONTROLS.sub("", text)


def clip(text: str, bytes_max: int) -> tuple[str, bool]:
    """The text cut at a character so that it has at most `bytes_max` bytes; whether it was cut."""
    raw = text.encode()
    if len(raw) <= bytes_max:
        return text, False
    return raw[:bytes_max].decode(errors="ignore"), True
