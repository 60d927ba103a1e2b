"""JSON as people type it."""

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stepwell.schemas.events import Json

SHOWN_BEFORE = 40
"""So much of a text is shown on either side of the place where it is wrong."""


class JsonText(click.ParamType):
    """JSON, or `-` for JSON on stdin."""

    name = "json"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Json":
        """Parse it."""
        text = sys.stdin.read() if value == "-" else str(value)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            self.fail(_pointed_at(error), param, ctx)


def _pointed_at(error: json.JSONDecodeError) -> str:
    """What is wrong, with a caret below the place."""
    line, at = error.doc.split("\n")[error.lineno - 1], error.colno - 1
    first = max(0, at - SHOWN_BEFORE)
    shown = "".join(it if it.isprintable() else "?" for it in line[first : at + SHOWN_BEFORE])
    hint = 'Text is written "in quotes"; to read a file: - < FILE'
    return f"not JSON: {error.msg}\n  {shown}\n  {' ' * (at - first)}^\n{hint}"
