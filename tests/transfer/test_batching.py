import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ptlib.transfer.batching import MIN_ROWS, batches, budget

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)


@settings(deadline=None, max_examples=100)
@given(LENGTHS, st.integers(0, 20), st.integers(1, 2000))
def test_every_row_once_within_the_budget_shortest_first(lengths, extra, tokens):
    cut = batches(lengths, extra, tokens)
    assert sorted(row for batch in cut for row in batch) == list(range(len(lengths)))
    in_order = [lengths[row] for batch in cut for row in batch]
    assert in_order == sorted(in_order)
    assert all(len(batch) == 1 or len(batch) * (extra + max(lengths[row] for row in batch)) <= tokens for batch in cut)


def test_few_slots_hold_padding():
    """Log-normal lengths behind a prompt of 16: sorted batches pad by under 10 %, unsorted ones of 32 rows by far more."""
    lengths = np.clip(np.random.default_rng(0).lognormal(3.4, 0.7, 872).astype(int), 7, 128).tolist()
    real = sum(length + 16 for length in lengths)
    cut = batches(lengths, 16, budget(len(lengths), float(np.mean(lengths)), 16))
    padded = sum(len(batch) * (16 + max(lengths[row] for row in batch)) for batch in cut)
    unsorted = sum(32 * (16 + max(lengths[at : at + 32])) for at in range(0, 872, 32))
    assert padded < 1.1 * real < 1.5 * real < unsorted


def test_budget_grows_with_the_texts_within_bounds():
    assert budget(1, 10, 6) == MIN_ROWS * 16
    assert budget(256, 10, 6) == 1024
    assert budget(10**6, 10, 6) == 4096
    assert budget(10, 1000, 100) >= MIN_ROWS * 1100
