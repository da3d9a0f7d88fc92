import numpy as np
import pandas as pd
import pytest

from dashboard.figures import ablation
from dashboard.theme import alt_text, paper


def curves():
    rows = [{"line": line, "layers": "all", "share": share, "group": group, "masked": 100 * share, "score": 0.8 - share, "score_low": 0.7 - share,
             "score_high": 0.9 - share, "drop": share, "drop_low": share - 0.1, "drop_high": share + 0.1, "scores": 5, "tasks": 2, "masks": 1, "over": "tasks"}
            for line in ablation.LOOKS for group in ("own task", "other types") for share in (0.5, 0.05)]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("measure", ["drop", "score"])
def test_a_line_and_a_band_for_every_choice(mode, measure):
    table = curves()
    ends = ablation.span(table, measure)
    fig = ablation.curve(table, "own task", measure, ends, mode)
    lines = [trace for trace in fig.data if trace.name]
    assert [trace.name for trace in lines] == list(ablation.LOOKS)
    assert len({(trace.marker.symbol, trace.line.dash) for trace in lines}) == len(lines), "told apart without colours"
    assert list(lines[0].x) == [0.05, 0.5]
    assert fig.layout.yaxis.range == ends
    assert ends[0] < table[f"{measure}_low"].min()
    assert ends[1] > table[f"{measure}_high"].max()
    bands = [trace for trace in fig.data if trace.fill == "toself"]
    assert list(bands[0].y) == pytest.approx([*lines[0].customdata[:, 1].astype(float), *lines[0].customdata[::-1, 0].astype(float)])
    assert "distinctive" in alt_text(fig)
    assert fig.layout.template.layout.paper_bgcolor == paper(mode)
    assert fig.to_json() == ablation.curve(table, "own task", measure, ends, mode).to_json()


def test_a_group_without_scores_is_empty_and_says_so():
    assert "nothing yet" in alt_text(ablation.curve(curves(), "same type", "drop", (0, 1), "light"))
    assert ablation.span(curves().iloc[:0], "drop") == (0.0, 1.0)


@pytest.mark.parametrize("layers", [3, 24])
def test_layers_by_shares(layers):
    values = np.random.default_rng(0).normal(0.1, 0.1, (layers, 2))
    values[1, 1] = np.nan
    drops = pd.DataFrame(values, index=range(1, layers + 1), columns=[0.05, 0.5])
    fig = ablation.by_layer(drops, "distinctive", "own task", "light")
    assert fig.data[0].z.shape == (layers, 2)
    assert fig.data[0].zmin <= np.nanmin(values)
    shown = [note.text for note in fig.layout.annotations]
    assert ("×" in shown) == (layers == 3)
    assert "layer 2" in alt_text(fig)
    assert "missing" in alt_text(fig)


def test_layers_of_which_nothing_is_there():
    drops = pd.DataFrame(np.full((2, 2), np.nan), index=[1, 2], columns=[0.1, 0.2])
    assert np.isnan(ablation.by_layer(drops, "distinctive", "own task", "dark").data[0].z).all()
