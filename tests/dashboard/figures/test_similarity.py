import numpy as np
import pytest

from dashboard.figures import similarity
from dashboard.theme import alt_text


def test_square_matrix_draws_every_pair_in_the_leaves_order():
    values = np.array([[1, 0.1, 0.9, 0.2], [0.1, 1, 0.2, 0.8], [0.9, 0.2, 1, 0.1], [0.2, 0.8, 0.1, 1]])
    fig = similarity.square_matrix(values, list("abcd"), ["nli"] * 4, "ON", "light")
    order, _ = similarity.dendrogram(values)
    shown = np.asarray(fig.data[0].z)
    assert np.isnan(np.diag(shown)).all()
    assert shown[0, 1] == np.float32(values[order[0], order[1]])
    assert list(fig.layout.yaxis.ticktext) == [list("abcd")[place] for place in order]
    assert "most alike are" in alt_text(fig)


@pytest.mark.parametrize("count", [1, 2])
def test_square_matrix_of_few_prompts(count):
    fig = similarity.square_matrix(np.eye(count), list("ab")[:count], ["nli"] * count, "ON", "dark")
    assert fig.data[0].z.shape == (count, count)


def test_many_prompts_keep_some_names():
    fig = similarity.square_matrix(np.eye(150), [f"p{number}" for number in range(150)], ["nli"] * 150, "ON", "light")
    assert 30 <= len(fig.layout.yaxis.ticktext) <= 50
