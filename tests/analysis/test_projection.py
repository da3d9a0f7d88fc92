import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from ptlib.analysis.projection import ENOUGH, default_method, nearest, principal_coordinates, project
from ptlib.errors import PtlibError


def clusters(each=8, features=50):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(centre, 1, (each, features)) for centre in (-6, 0, 6)])


def test_pca_by_gram_matrix_is_scikit_learns():
    rows = np.random.default_rng(1).normal(size=(12, 300))
    found = project(rows, "pca", 3)
    expected = PCA(3, svd_solver="full").fit(rows)
    assert np.allclose(np.abs(found.coordinates), np.abs(expected.transform(rows)), atol=1e-3)
    assert np.allclose(found.explained, expected.explained_variance_ratio_)


@pytest.mark.parametrize("method", ["pca", "umap", "tsne"])
def test_clusters_stay_together_and_seeds_repeat(method):
    rows = clusters()
    found = project(rows, method, 2, seed=5)
    assert found.coordinates.shape == (24, 2)
    assert np.isfinite(found.coordinates).all()
    assert 0.6 < found.trustworthiness <= 1
    centres = found.coordinates.reshape(3, 8, 2).mean(axis=1)
    spread = found.coordinates.reshape(3, 8, 2).std(axis=1).mean()
    assert np.linalg.norm(centres[0] - centres[2]) > 2 * spread
    assert np.array_equal(project(rows, method, 2, seed=5).coordinates, found.coordinates)


def test_without_umap_it_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(PtlibError, match=r"UMAP is not installed.*pca or tsne"):
        project(clusters(), "umap")


def test_few_points():
    rows = np.random.default_rng(2).normal(size=(6, 9))
    found = project(rows, "umap")
    assert found.method == "pca"
    assert "at least 10 points, here are 6" in found.note
    with pytest.raises(PtlibError, match="too few points"):
        project(rows[:3])
    with pytest.raises(PtlibError, match="unknown projection"):
        project(rows, "som")


def test_equal_rows_do_not_break_it():
    assert np.isfinite(project(np.ones((5, 4))).coordinates).all()


def test_nearest_by_cosine():
    rows = np.array([[1.0, 0], [2, 0.1], [0, 1], [-1, 0]])
    assert [one.row for one in nearest(rows, 0, count=2)] == [1, 2]
    first = nearest(rows, 0, count=1)[0]
    assert first.cosine == pytest.approx(2 / np.hypot(2, 0.1))
    assert first.distance == pytest.approx(np.hypot(1, 0.1))
    assert first.place == 1


def test_nearest_says_where_the_drawing_puts_them():
    rows = np.eye(4) + 0.1
    rows[1] = rows[0] + 0.01
    drawn = np.array([[0.0, 0], [9, 9], [1, 0], [2, 0]])
    assert nearest(rows, 0, drawn, 1)[0][0::3] == (1, 3)


def test_points_on_a_line_or_in_one_place_have_all_axes():
    for rows in (np.arange(5.0)[:, None] * np.ones(7), np.ones((5, 7))):
        coordinates, shares = principal_coordinates(rows, 3)
        assert coordinates.shape == (5, 3)
        assert shares.shape == (3,)
        assert project(rows, "pca", 3).explained.shape == (3,)


def test_the_default_method_says_why():
    assert default_method(ENOUGH - 1)[0] == "pca"
    assert default_method(ENOUGH)[0] == "umap"
    assert "4 nearest of 14" in default_method(14)[1]
