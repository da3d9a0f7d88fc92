"""Navigation and the shared selection; nothing else.

The pages lie in ``views/``: beside a folder ``pages/`` streamlit would run a page that is opened by its address without
this file.
"""

import logging
from pathlib import Path

import streamlit as st

from dashboard import components, data, links, selection, sharing, steady, unsent
from ptlib.errors import PtlibError

VIEWS = Path(__file__).parent / "views"


def log_to_cache() -> None:
    """What goes wrong on a page is written to the cache's log, once per server."""
    log = logging.getLogger("ptlib.dashboard")
    if not log.handlers:
        folder = data.store().folder / "logs"
        folder.mkdir(exist_ok=True)
        handler = logging.FileHandler(folder / "dashboard.log")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)


unsent.keep()
st.set_page_config(page_title="Prompt transfer", page_icon=str(Path(__file__).parent / "icon.png"), layout="wide")
pages = [
    st.Page(VIEWS / "overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page(VIEWS / "transfer.py", title="Transfer", icon=":material/grid_on:"),
    st.Page(VIEWS / "compare.py", title="Compare", icon=":material/compare_arrows:"),
    st.Page(VIEWS / "neurons.py", title="Neurons", icon=":material/neurology:"),
    st.Page(VIEWS / "ablation.py", title="Ablation", icon=":material/content_cut:"),
    st.Page(VIEWS / "correlation.py", title="Correlation", icon=":material/scatter_plot:"),
    st.Page(VIEWS / "prompt_space.py", title="Prompt space", icon=":material/bubble_chart:"),
    st.Page(VIEWS / "cross_model.py", title="Cross-model", icon=":material/swap_horiz:"),
    st.Page(VIEWS / "training.py", title="Training", icon=":material/model_training:"),
    st.Page(VIEWS / "initialisation.py", title="Initialisation", icon=":material/rocket_launch:"),
    # Reached by the button Present, from the page whose figures are shown.
    st.Page(VIEWS / "presentation.py", title="Presentation", icon=":material/slideshow:", visibility="hidden"),
    st.Page(VIEWS / "shelf.py", title="Library", icon=":material/inventory_2:"),
    st.Page(VIEWS / "runs.py", title="Runs", icon=":material/play_circle:"),
]
page = st.navigation(pages)
links.arrive(page.url_path)
try:
    log_to_cache()
    st.session_state["view"] = selection.sidebar(data.library(), data.precision_tests)
    sharing.buttons(page)
except PtlibError as error:
    st.title("Prompt transfer")
    st.error(components.plain(error))
    st.stop()
with st.sidebar:
    st.html(Path(__file__).with_name("looks.css"))
    steady.keep_figures()
above = st.container()
if page.url_path != "presentation":
    st.session_state[components.SHOWN], st.session_state[components.FROM] = {}, page.url_path
page.run()
sharing.tell(above)
