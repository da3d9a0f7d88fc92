import numpy as np
import pytest
from scipy.spatial import procrustes

from ptlib.analysis.stability import RUNS, kept, movement, over_each_other, stability
from ptlib.errors import PtlibError


def clusters(each=8, features=50):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(centre, 1, (each, features)) for centre in (-6, 0, 6)])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_drawing_that_was_moved_as_a_whole_lies_over_the_first_again(dimensions):
    rng = np.random.default_rng(1)
    fixed = rng.normal(size=(12, dimensions)) + 5
    turn = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]
    for mirror in (1, -1):
        moving = 0.3 * fixed @ turn @ np.diag([mirror, *[1] * (dimensions - 1)]) - 7
        assert np.allclose(over_each_other(fixed, moving), fixed)


def test_it_is_as_near_as_scipys_procrustes_comes():
    rng = np.random.default_rng(2)
    fixed, moving = rng.normal(size=(15, 2)), rng.normal(size=(15, 2))
    found = over_each_other(fixed, moving)
    centred = fixed - fixed.mean(axis=0)
    assert ((found - fixed) ** 2).sum() / (centred**2).sum() == pytest.approx(procrustes(fixed, moving)[2])


def test_movement_is_measured_in_the_figures_spread():
    still = np.array([[3.0, 4], [-3, -4], [0, 5], [0, -5]])
    other = still.copy()
    other[2] += [0, 2]
    found = movement(np.stack([still, other]))
    assert found == pytest.approx([0, 0, 1 / 5, 0])
    assert movement(10 * np.stack([still, other])) == pytest.approx(found)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_clear_groups_stay_where_they_are_and_noise_does_not(method):
    clear, noise = stability(clusters(), method, 2, 3), stability(np.random.default_rng(4).normal(size=(24, 50)), method, 2, 3)
    assert clear.drawings.shape == (RUNS, 24, 2)
    assert np.median(clear.movement) < np.median(noise.movement)
    assert np.nanmean(clear.trust) > np.nanmean(noise.trust)
    assert clear.movers(3) == sorted(range(24), key=lambda row: -clear.movement[row])[:3]
    assert ("bootstrap samples" if method == "pca" else "seeds 3 to 10") in clear.over


def test_neighbours_that_every_drawing_keeps():
    drawings = np.array([[[0.0, 0], [1, 0], [9, 0]], [[0, 0], [5, 0], [2, 0]]])
    assert (kept(drawings, 0, 1, 1), kept(drawings, 0, 2, 1), kept(drawings, 0, 2, 2)) == (1, 1, 2)


def test_equal_rows_and_few_do_not_break_it():
    assert np.isfinite(stability(np.ones((5, 4)), "umap").movement).all()
    with pytest.raises(PtlibError, match="too few points"):
        stability(np.ones((3, 4)), "pca")
