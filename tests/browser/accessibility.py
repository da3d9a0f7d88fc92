"""What axe finds wrong with a page: contrast, names, roles, headings, focus order (WCAG 2.1 A and AA, and its best practices)."""

from __future__ import annotations

import pytest

OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    # Streamlit's own file uploader names its drop zone and calls it presentational.
    "rules": {"presentation-role-conflict": {"enabled": False}},
}


def violations(page) -> list[str]:
    """A line for each rule that is broken, with the first element that breaks it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    found = axe.run(page, options=OPTIONS).response["violations"]
    return [f"{rule['id']}: {rule['help']} ({len(rule['nodes'])} times): {rule['nodes'][0]['html'][:200]} "
            f"{[check['message'] for check in rule['nodes'][0]['any'][:1]]}" for rule in found]  # fmt: skip
