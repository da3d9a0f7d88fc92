import numpy as np
import pytest
from sklearn.decomposition import PCA

from ptlib.analysis.projection import nearest, project
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
    assert [row for row, _ in nearest(rows, 0, 2)] == [1, 2]
    assert nearest(rows, 0, 1)[0][1] == pytest.approx(2 / np.hypot(2, 0.1))
