"""The app, and what can be read on one of its pages under streamlit's AppTest."""

from pathlib import Path

APP = str(Path(__file__).parents[2] / "dashboard" / "app.py")


def text(test) -> str:
    """All that can be read on the page."""
    parts = [*test.markdown, *test.caption, *test.info, *test.error, *test.warning, *test.title, *test.header]
    return "\n".join(str(part.value) for part in parts)
