"""What leaves the browser: names, pictures at print size, tables that no spreadsheet runs; and streamlit's settings."""

import io
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import export

ROOT = Path(__file__).parents[2]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_name_becomes_a_plain_file_name(text):
    name = export.file_name(text)
    assert 0 < len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not name.startswith((".", "-"))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_no_cell_and_no_heading_runs_as_a_formula(text):
    table = pd.DataFrame({text: [text]}, dtype=object)
    assert not str(export.guarded(text)).startswith(export.FORMULA)
    assert table.columns[0] == text


def test_headings_are_guarded_and_numbers_are_not():
    read = pd.read_csv(io.BytesIO(export.csv(pd.DataFrame({"=A1": [-1.5, 2.0], "name": ["@x", "fine"]}))))
    assert list(read.columns) == ["'=A1", "name"]
    assert list(read["'=A1"]) == [-1.5, 2.0]
    assert list(read.name) == ["'@x", "fine"]


def test_missing_values_stay_empty():
    assert export.csv(pd.DataFrame({"a": [np.nan, 1.0]})).decode().splitlines() == ["a", '""', "1.0"]


def test_categories_are_guarded_as_well():
    assert b"'=1" in export.csv(pd.DataFrame({"kind": pd.Categorical(["=1", "b"])}))


def test_pictures_have_the_size_of_a_double_column():
    png = export.toolbar("x", "png")["toImageButtonOptions"]
    assert png["width"] / 96 == 6.75
    assert png["width"] * png["scale"] / 6.75 == pytest.approx(300)
    assert export.toolbar("x")["toImageButtonOptions"]["format"] == "svg"
    assert export.toolbar("x")["showSendToCloud"] is False


def settings_of(table: dict, prefix: str = "") -> dict:
    found = {}
    for name, value in table.items():
        found |= settings_of(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def test_streamlit_knows_every_setting():
    from streamlit import config

    mine = settings_of(tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text()))
    config.get_config_options()
    assert set(mine) <= set(config._config_options_template)
    assert mine["server.address"] == "127.0.0.1"
    assert set(mine["server.allowedHosts"]) == {"127.0.0.1", "localhost", "::1"}
    assert mine["client.showErrorDetails"] == "none"
    assert mine["browser.gatherUsageStats"] is False
    assert mine["server.enableXsrfProtection"]


def test_page_and_figures_share_their_colours():
    from dashboard import theme

    mine = settings_of(tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text()))
    for mode in ("light", "dark"):
        assert mine[f"theme.{mode}.backgroundColor"] == theme.paper(mode)
        assert mine[f"theme.{mode}.textColor"] == theme.ink(mode)
        assert mine[f"theme.{mode}.primaryColor"] == theme.accent(mode)
