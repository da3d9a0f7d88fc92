"""Parts that pages comparing starts of training share: what is measured, its settings, what is found."""

from __future__ import annotations

import streamlit as st

from dashboard import components
from dashboard.gallery import training as gallery
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import saved
from ptlib.runs import initialisation
from ptlib.runs.initialisation import Start

COLUMNS = {"target": "target", "group": "start", "source": "source", "start": "score at step 0", "reached": "steps to random's end", "random_reached": "random's steps",
           "saved": "steps saved", "saved_low": "from", "saved_high": "to", "never": "never", "speed_up": "speed-up", "convergence_speed_up": "convergence speed-up",
           "difference": "final difference", "difference_low": "diff. from", "difference_high": "diff. to", "trainings": "trainings"}  # fmt: skip
DEFINITIONS = """
* **Comparable-result speed-up**: steps until a training first scores at least what *random initialisation* of the same target and seed ends with.
  *Steps saved* is how many fewer that takes than random initialisation itself, which may reach its final score before its end; the *speed-up* is the
  quotient of the two means. It is infinite where the start already scores as much.
* **Convergence speed-up**: steps until a training first scores 95 % of *its own* best, as a quotient of means, random over this start.
* **Final difference**: the last validation score minus that of random initialisation.
* *Never*: trainings that did not get there within their steps are censored; they count with all their steps, so what they save is at most what is shown.
* Intervals are 95 % (Student's for means, bootstrap for quotients): over targets where there are several (each the mean of its seeds), otherwise over seeds. All scores are on the
  validation split.
"""


def controls(extra: str | None = None) -> dict:
    """Settings of the comparison; ``extra`` names one more that is on or off."""
    usual = initialisation.READABLE
    one, two, three, four, *five = st.columns(4 + (extra is not None), vertical_alignment="bottom")
    lr = one.number_input("Learning rate", value=usual.lr, format="%g", key="init-lr", bind="query-params",
                          help="Constant and small: with the zoo's own, random initialisation is there in ten steps and nothing can be told apart.")  # fmt: skip
    steps = two.number_input("Steps", 2, 1_000_000, usual.steps, key="init-steps", bind="query-params")
    every = three.number_input("Validate every", 1, 100_000, usual.evaluate_every, key="init-every", bind="query-params")
    rows = four.number_input("Validation examples", 1, 1_000_000, usual.validation_examples, key="init-rows", bind="query-params")
    more = {} if extra is None else {"mean": five[0].toggle(extra, True, key="init-mean", bind="query-params")}
    return {"lr": float(lr), "steps": int(steps), "every": int(every), "examples": int(rows), **more}


def results(view: View, wanted: list[Start], settings: dict, curves: str, steps_saved: str) -> None:
    """What the trainings that are there say.

    Args:
        settings: of both figures.
        curves, steps_saved: the figures' names in the gallery.
    """
    _, rows, missing = gallery.compared(LIVE, view, wanted)
    others = rows[rows["group"] != saved.RANDOM] if len(rows) else rows
    if not len(others):
        st.info(
            "No comparison is complete yet: a target needs its random initialisation and one start of the same seed. Run the missing trainings."
        )
        return
    if missing:
        st.caption(f"{len(missing)} of {len(wanted)} trainings are missing; what follows rests on those that are there.")
    for row in saved.summary(others).itertuples():
        st.markdown(f"* {components.plain(saved.sentence(row, settings['steps']))}")
    told = saved.contrast(others, initialisation.SAME, initialisation.OTHER)
    if told is not None:
        st.markdown(f"* {components.plain(told.words())}")
    drawn = components.draw(steps_saved, view, settings)
    left, right = st.columns(2, gap="large")
    with left:
        target = st.selectbox("Target", list(dict.fromkeys(others["target"])), key="init-target", bind="query-params")
        components.figure(curves, view, {**settings, "target": target})
    with right:
        components.present(drawn, steps_saved, view, settings)
    table = drawn.table[list(COLUMNS)].rename(columns=COLUMNS)
    digits = {name: "%.3f" if "score" in name else "%.1f" if "step" in name or name in ("from", "to") or "speed" in name else "%.3f"
              for name in table.select_dtypes("float") if name != "never"}  # fmt: skip
    st.dataframe(table, hide_index=True, width="stretch",
                 column_config={name: st.column_config.NumberColumn(format=form) for name, form in digits.items()})  # fmt: skip
