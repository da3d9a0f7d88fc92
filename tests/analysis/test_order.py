"""Leaf order: blocks that were shuffled stand together again."""

import numpy as np

from ptlib.analysis.order import leaf_order


def test_shuffled_blocks_stand_together_again():
    rng = np.random.default_rng(0)
    blocks = rng.permutation(np.repeat(np.arange(4), 10))
    values = rng.normal(0, 1, (4, 12))[blocks] + rng.normal(0, 0.1, (40, 12))
    values[rng.random(values.shape) < 0.1] = np.nan
    order = leaf_order(values)
    assert sorted(order) == list(range(40))
    assert np.count_nonzero(np.diff(blocks[order])) == 3


def test_too_little_to_order_stays_as_it_is():
    assert leaf_order(np.full((5, 3), np.nan)) == [0, 1, 2, 3, 4]
    assert leaf_order(np.ones((2, 2))) == [0, 1]
    assert leaf_order(np.empty((0, 0))) == []
