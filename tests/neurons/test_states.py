"""What the store keeps of a stimulation says the same as the stimulation."""

import numpy as np
import pytest

from ptlib.neurons.states import States, from_arrays, stack, to_arrays


@pytest.mark.parametrize("gated", [False, True])
def test_there_and_back(gated):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 13)).astype(np.float32)
    states = States(values, rng.random((3, 13)) > 0.5 if gated else values > 0)
    arrays = to_arrays(states)
    assert ("activated" in arrays) == gated
    found = from_arrays(arrays)
    assert np.array_equal(found.activated, states.activated)
    assert np.abs(found.values - values).max() < 2e-3


def test_a_value_below_half_precision_stays_activated():
    states = States(np.array([[1e-12, -1e-12, 0.0]], np.float32), np.array([[True, False, False]]))
    assert from_arrays(to_arrays(states)).activated.tolist() == [[True, False, False]]


def test_none_stack_to_an_empty_shape():
    assert stack([], 2, 5).values.shape == stack([], 2, 5).activated.shape == (0, 2, 5)
