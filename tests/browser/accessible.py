"""What axe-core finds on a page that keeps people out."""

import json
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

BAD = {"serious", "critical"}
OPTIONS = {"resultTypes": ["violations"]}


def findings(page: Page) -> list[str]:
    """Serious and critical ones: rule, elements, what is wrong."""
    page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate(f"axe.run({json.dumps(OPTIONS)})")
    return [
        f"{page.url}: {each['id']} ({each['impact']}) {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in BAD
        for node in each["nodes"]
    ]
