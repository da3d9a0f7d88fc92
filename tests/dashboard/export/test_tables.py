"""Tables on their way out: whatever a name holds, LaTeX and Markdown keep their rows and columns, and numbers their digits."""

import json
import re

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.export import tables
from ptlib.analysis.relative import Mean
from tests.dashboard.conftest import FOUL

SCORES = pd.DataFrame({"task": ["a_b", "c&d", "e"], "score": [Mean(0.91234, 0.85, 0.97, 60), Mean(0.7, 0.61, 0.79, 60), Mean(np.nan, np.nan, np.nan, 0)],
                       "n": [60, 60, 0]})  # fmt: skip


def test_latex_is_a_booktabs_table_with_intervals_and_the_best_in_bold():
    lines = tables.latex(SCORES, "100 % of it", "tab:x").splitlines()
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"a\_b & \textbf{0.912 [0.850, 0.970]} & 60 \\" in lines
    assert r"c\&d & 0.700 [0.610, 0.790] & 60 \\" in lines
    assert r"e & – & 0 \\" in lines
    assert r"\caption{100 \% of it In brackets the 95 \% interval; in bold the highest of each column.}" in lines
    assert r"\begin{tabular}{llr}" in lines


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_name_is_one_cell_of_latex(text):
    row = tables.latex(pd.DataFrame({"name": [text], "n": [1]}, dtype=object)).splitlines()[-4]
    inside = row.removesuffix(r" & 1 \\")
    assert inside != row
    bare = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\$(?:-|\\times|\\rho)\$", "", inside)
    assert not set(bare) & set("\\&%$#_{}~^<>|\n\r\t")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_name_is_one_cell_of_markdown(text):
    lines = tables.markdown(pd.DataFrame({"name": [text], "n": [1]}, dtype=object)).split("\n")
    assert len(lines) == 4
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3
    assert not re.search(r"(?<!\\)(?:\\\\)*[<$*`\[]", lines[2])


def test_json_holds_any_name_and_null_for_what_is_missing():
    told = json.loads(tables.as_json(pd.DataFrame({"name": FOUL, "value": [0.1, np.nan]}), {"figure": "x"}))
    assert told["rows"] == [{"name": FOUL[0], "value": 0.1}, {"name": FOUL[1], "value": None}]


def test_columns_with_ends_become_estimates():
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.5, 0.25], "ci_low": [0.4, 0.2], "ci_high": [0.6, 0.3], "n": [10, 10]})
    assert "| a | **0.50 [0.40, 0.60]** | 10 |" in tables.markdown(table)
