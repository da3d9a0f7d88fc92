"""Navigation and the shared selection; nothing else."""

import logging
from pathlib import Path

import streamlit as st

from dashboard import components, data, selection
from ptlib.errors import PtlibError

PAGES = Path(__file__).parent / "pages"


def log_to_cache() -> None:
    """What goes wrong on a page is written to the cache's log, once per server."""
    log = logging.getLogger("ptlib.dashboard")
    if not log.handlers:
        folder = data.store().folder / "logs"
        folder.mkdir(exist_ok=True)
        handler = logging.FileHandler(folder / "dashboard.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)


st.set_page_config(page_title="Prompt transfer", page_icon=str(Path(__file__).parent / "icon.png"), layout="wide")
pages = [
    st.Page(PAGES / "overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page(PAGES / "transfer.py", title="Transfer", icon=":material/grid_on:"),
    st.Page(PAGES / "neurons.py", title="Neurons", icon=":material/neurology:"),
    st.Page(PAGES / "correlation.py", title="Correlation", icon=":material/scatter_plot:"),
    st.Page(PAGES / "prompt_space.py", title="Prompt space", icon=":material/bubble_chart:"),
    st.Page(PAGES / "runs.py", title="Runs", icon=":material/play_circle:"),
]
page = st.navigation(pages)
try:
    log_to_cache()
    st.session_state["view"] = selection.sidebar(data.library())
except PtlibError as error:
    st.title("Prompt transfer")
    st.error(components.plain(error))
    st.stop()
page.run()
