import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptlib.transfer import batching
from ptlib.transfer.batching import PADDING, batches, budget, overhead

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=80)


@settings(deadline=None, max_examples=100)
@given(LENGTHS, st.integers(0, 20), st.integers(1, 2000), st.floats(0, 500))
def test_every_row_once_within_the_budget_shortest_first(lengths, extra, tokens, start):
    cut = batches(lengths, extra, tokens, start)
    assert sorted(row for batch in cut for row in batch) == list(range(len(lengths)))
    in_order = [lengths[row] for batch in cut for row in batch]
    assert in_order == sorted(in_order)
    assert all(len(batch) == 1 or len(batch) * (extra + max(lengths[row] for row in batch)) <= tokens for batch in cut)


def slots_of(cut, lengths, extra):
    return sum(len(batch) * (extra + max(lengths[row] for row in batch)) for batch in cut)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=9), st.integers(0, 4), st.floats(0, 3))
def test_no_other_cut_of_the_sorted_rows_costs_less(lengths, extra, start):
    """Against every way of cutting; where padding allows the overhead to count in full."""
    found, ordered = batches(lengths, extra, 10**6, start), sorted(lengths)
    cost = slots_of(found, lengths, extra) + start * len(found)
    if slots_of(found, lengths, extra) * (1 - PADDING) <= sum(lengths) + extra * len(lengths) and start < 0.5:
        for cuts in itertools.chain.from_iterable(itertools.combinations(range(1, len(lengths)), k) for k in range(len(lengths))):
            edges = [0, *cuts, len(lengths)]
            other = sum((b - a) * (extra + ordered[b - 1]) + start for a, b in itertools.pairwise(edges))
            assert cost <= other + 1e-9


@pytest.mark.parametrize(
    ("mu", "most", "extra", "n"), [(3.4, 128, 100, 872), (3.4, 128, 100, 64), (3.4, 128, 16, 16), (5.2, 384, 100, 200)]
)
@pytest.mark.parametrize("start", [0.6, 90.0, 2000.0])
def test_under_two_hundredths_of_the_slots_are_padding(mu, most, extra, n, start):
    """Log-normal lengths behind a prompt; what a batch costs is that of a large PLM on a CPU, of a zoo PLM, of a GPU."""
    lengths = np.clip(np.random.default_rng(0).lognormal(mu, 0.7, n).astype(int), 7, most).tolist()
    real = sum(length + extra for length in lengths)
    cut = batches(lengths, extra, 4096, start)
    assert real <= slots_of(cut, lengths, extra) <= real / (1 - PADDING)
    assert len(cut) < n


def test_slots_held_elsewhere_leave_room_for_padding():
    """Of a decoder's prompt that was read once, the texts are batched by what they cost themselves."""
    lengths = [10, 11, 12, 13]
    assert len(batches(lengths, 0, 4096, 12.0)) > 1
    assert batches(lengths, 0, 4096, 12.0, held=100) == [[0, 1, 2, 3]]


def test_a_costly_start_makes_fewer_batches():
    lengths = list(range(20, 120))
    assert len(batches(lengths, 100, 4096, 200.0)) < len(batches(lengths, 100, 4096, 0.0)) == 100


def test_what_a_batch_may_take_and_costs_follows_plm_and_device(monkeypatch):
    small, large = SimpleNamespace(hidden=64, ffn=256), SimpleNamespace(hidden=1024, ffn=4096)
    assert overhead(small, "cpu") > 50 > 15 > overhead(large, "cpu") > 5
    assert overhead(large, "cuda:0") > 1000
    monkeypatch.setattr(batching, "free_memory", lambda device: 80 * 2**30)
    assert budget(large, "cpu", "float32") == 4096
    assert budget(large, "cuda", "bfloat16") == 2**18
    monkeypatch.setattr(batching, "free_memory", lambda device: 2**26)
    assert 1 < budget(large, "cuda", "bfloat16") < 2000
    assert budget(large, "cuda", "float32") == pytest.approx(budget(large, "cuda", "bfloat16") / 2, abs=1)
    monkeypatch.setattr(batching, "free_memory", lambda device: 0)
    assert budget(large, "cuda", "float32") == 1
