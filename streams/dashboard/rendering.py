"""Templates to HTML: everything is escaped, and a name that is missing is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stepwell.streams.dashboard import texts
from stepwell.streams.dashboard.files import StaticFiles

FOLDER = Path(__file__).parent / "templates"
_TURNS = {
    ord(it): f"\\u{ord(it):04x}" for it in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
}


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A link in the navigation of every page."""

    label: str
    href: str
    key: str = ""
    """After `g` it leads there: one letter."""


class Templates:
    """The templates of the dashboard."""

    def __init__(self, files: StaticFiles, nav: Sequence[NavEntry] = ()) -> None:
        self._frame: dict[str, object] = {"static": files.url, "nav": nav}

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """A page."""
        return _environment().get_template(name).render({**self._frame, **values})


@cache
def _environment() -> Environment:
    """One for the process: it keeps what templates were compiled to."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,  # always, whatever a template is called
        undefined=StrictUndefined,
        finalize=_with_visible_turns,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "time": time_element,
        "duration": texts.duration,
        "size": texts.size,
        "number": texts.number,
        "json": texts.as_json,
        "segment": texts.segment,
    }
    environment.globals |= {"changed": texts.changed}
    return environment


def time_element(ms: int | None) -> Markup:
    """A time that a script shows as the reader wants it: UTC, local, or relative."""
    if ms is None:
        return Markup('<span class="dim">–</span>')
    return Markup('<time datetime="{}" data-ms="{}">{}</time>').format(
        texts.iso(ms), ms, texts.utc(ms)
    )


def _with_visible_turns(value: object) -> object:
    """Characters that turn the direction of what follows are shown as what they are."""
    return value.translate(_TURNS) if type(value) is str else value
