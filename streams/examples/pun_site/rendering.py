"""Templates of the site to HTML: everything is escaped, and a name that is missing is an error."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stepwell.streams.dashboard.files import StaticFiles

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Pages:
    """The templates."""

    def __init__(self, files: StaticFiles) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,  # always, whatever a template is called
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = files.url

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """A page."""
        return self._environment.get_template(name).render(values)
