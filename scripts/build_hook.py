"""Editable installs: link the three folders under one root, for `stepwell.*` imports.

hatchling cannot rename folders for an editable install; a link can. Inactive for real wheels.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("streams", "models", "schemas")


class EditableLinks(BuildHookInterface):  # type: ignore[type-arg]
    """Make `.editable/stepwell/<folder>` links, which `dev-mode-dirs` puts on the import path."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Create the links when the build is an editable one."""
        if version != "editable":
            return
        root = Path(self.root)
        package = root / ".editable" / "stepwell"
        package.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            link = package / folder
            if not link.is_symlink():
                link.symlink_to(root / folder, target_is_directory=True)
