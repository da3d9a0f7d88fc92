"""Everything that is here: prompts, PLMs, tasks, and what could not be read."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.selection import View
from ptlib.library import Library, PromptEntry
from ptlib.prompts import inert_rows


def norm_of(entry: PromptEntry) -> float:
    """Frobenius norm; of the values where the header does not hold it."""
    return float(entry.meta["norm"]) if "norm" in entry.meta else float(np.linalg.norm(entry.load().values))


def prompt_table(shelf: Library, entries: list[PromptEntry]) -> pd.DataFrame:
    """One row a matrix: several names of one matrix share it."""
    rows: dict[str, dict] = {}
    for entry in entries:
        if entry.digest in rows:
            rows[entry.digest]["also called"] = ", ".join(filter(None, [rows[entry.digest]["also called"], entry.name]))
            continue
        inert = inert_rows(entry.insertion, shelf.plms[entry.plm_id].family)
        rows[entry.digest] = {
            "prompt": entry.name, "note": shelf.flags.get(entry.name, entry.meta.get("insertion_note", "")), "task": entry.task or "–",
            "type": entry.type, "kind": entry.kind, "PLM": entry.plm_id,
            "shape": f"{entry.length} × {entry.hidden}", "norm": round(norm_of(entry), 2), "insertion": entry.insertion,
            "inert rows": ", ".join(map(str, inert)) or "–",
            "also called": "", "digest": entry.digest[:12], "source file": str(entry.meta.get("file", entry.path.name)),
        }  # fmt: skip
    return pd.DataFrame(list(rows.values()))


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Library")
    shelf = data.library()
    components.live_status(view)
    everyone = st.toggle("Prompts of every PLM", key="everyone", bind="query-params")
    entries = shelf.prompts(None if everyone else view.plm.id)
    table = data.of_library(("prompts", everyone, view.plm.id), lambda: prompt_table(shelf, entries))
    st.header("Prompts")
    if table.empty:
        st.info(
            f"No prompt of {components.plain(view.plm.id)} is here. Bring some with `./run.sh ptlib import prompts FOLDER --plm {view.plm.id}`."
        )
    else:
        odd = int((table.note != "").sum())
        st.caption(f"{len(table)} prompts of {'every PLM' if everyone else components.plain(view.plm.id)}"
                   + (f", {odd} of them with a note" if odd else "") + ". Inert rows never reach the PLM; similarities leave them out.")  # fmt: skip
        st.dataframe(table, hide_index=True, width="stretch", height=min(600, 38 + 35 * len(table)),
                     column_config={"note": st.column_config.TextColumn(width="medium")})  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        st.header("PLMs")
        st.dataframe(pd.DataFrame([{"PLM": plm.id, "family": plm.family, "layers": plm.layers, "hidden": plm.hidden, "FFN": plm.ffn,
                                    "parameters": plm.parameters, "weights": plm.fingerprint[:12] if plm.here else "not here"}
                                   for plm in shelf.plms.values()]), hide_index=True, width="stretch")  # fmt: skip
    with right:
        st.header("Tasks")
        st.dataframe(pd.DataFrame([{"task": task.name, "type": task.type, "metric": task.metric.replace("_", " "),
                                    "data": "here" if task.here("test") else "not here"} for task in shelf.tasks.values()]),
                     hide_index=True, width="stretch")  # fmt: skip
    st.header("Not read")
    if shelf.refused:
        st.dataframe(pd.DataFrame(shelf.refused), hide_index=True, width="stretch")
    else:
        st.caption("Everything could be read.")


components.guard(body)
