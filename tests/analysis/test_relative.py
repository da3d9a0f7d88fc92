import numpy as np
import pytest

from ptlib.analysis import relative

TRANSFER = np.array([[[0.8, 0.4, 0.3], [0.6, 0.5, 0.3], [0.4, 0.25, 0.6]]])
TYPES = ["x", "x", "y"]


def test_relative_to_the_own_prompt_of_the_target():
    found = relative.relative(TRANSFER)[0]
    assert np.allclose(np.diag(found), 1)
    assert found[0, 1] == pytest.approx(0.4 / 0.5)
    assert found[2, 0] == pytest.approx(0.5)


def test_type_effect_by_hand():
    found = relative.type_effect(TRANSFER, TYPES)
    assert found.same.value == pytest.approx((0.75 + 0.8) / 2)
    assert found.other.value == pytest.approx((0.5 + 0.5 + 0.5 + 0.5) / 4)
    assert (found.same.n, found.other.n) == (2, 4)
    assert found.difference.value == pytest.approx(0.275)


def test_blocks_by_hand():
    names, blocks = relative.type_blocks(TRANSFER, TYPES)
    assert names == ["x", "y"]
    assert blocks[0, 0] == pytest.approx((0.75 + 0.8) / 2)
    assert np.isnan(blocks[1, 1])
    assert relative.type_blocks(TRANSFER, TYPES, ["y", "x"])[1][1, 1] == blocks[0, 0]


def test_missing_cells_do_not_spread():
    holes = TRANSFER.copy()
    holes[0, 2, 0] = np.nan
    found = relative.type_effect(holes, TYPES)
    assert found.other.n == 3
    assert found.other.value == pytest.approx(0.5)
