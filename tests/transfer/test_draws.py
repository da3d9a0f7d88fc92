from itertools import islice

import numpy as np
import pytest

from ptlib.transfer.draws import Draws, seed_of

LENGTHS = np.random.default_rng(0).integers(3, 40, 128)


@pytest.mark.parametrize(("rows", "batch"), [(60, 32), (128, 32), (10, 32), (33, 32), (5, 1)])
def test_no_step_sees_more_examples_than_asked(rows, batch):
    drawn = list(islice(Draws(LENGTHS[:rows], batch, 7), 20))
    assert len(drawn) == 20
    assert all(1 <= len(found) <= batch and len(set(found)) == len(found) for found in drawn)
    assert {row for found in drawn for row in found} <= set(range(rows))


def test_batches_are_cut_by_length():
    padding = lambda found: sum(LENGTHS[rows].max() * len(rows) - LENGTHS[rows].sum() for rows in found)  # noqa: E731
    rng = np.random.default_rng(1)
    assert padding(islice(Draws(LENGTHS, 16, 0), 40)) < 0.5 * padding(rng.permutation(128)[:16].tolist() for _ in range(40))


@pytest.mark.parametrize("at", [0, 1, 7, 8, 9, 30])
def test_goes_on_from_any_step(at):
    whole = Draws(LENGTHS, 16, seed_of("films", 3))
    list(islice(whole, at))
    again = Draws(LENGTHS, 16, 0, whole.state)
    assert list(islice(again, 20)) == list(islice(whole, 20))


def test_tasks_and_seeds_start_apart():
    assert len({seed_of(task, seed) for task in ("films", "meals") for seed in range(3)}) == 6
