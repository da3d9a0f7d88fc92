import numpy as np
import pytest
import torch
from transformers import get_scheduler

from ptlib.transfer.schedule import arrays_of, learning_rate, optimizer_of, restore
from ptlib.transfer.settings import TrainingSettings


@pytest.mark.parametrize(
    "name", ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt"]
)
def test_rates_are_those_of_transformers(name):
    values = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([values], lr=0.3)
    theirs = get_scheduler(name, optimizer, num_warmup_steps=4, num_training_steps=20)
    ours = learning_rate(TrainingSettings(lr=0.3, schedule=name, warmup=4, steps=20))
    for step in range(1, 21):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_decay_warms_up_and_ends_at_a_twentieth():
    rate = learning_rate(TrainingSettings(lr=1.0, steps=100, warmup=10))
    assert rate(1) == pytest.approx(0.1 * 0.9905)
    assert rate(100) == pytest.approx(0.05)
    assert max(range(1, 101), key=rate) == 10


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "adafactor"])
def test_a_restored_optimiser_takes_the_same_steps(name):
    settings = TrainingSettings(optimizer=name, lr=0.1, weight_decay=0.01)
    gradients = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))
    one = torch.ones(3, 4, requires_grad=True)
    optimizer = optimizer_of(settings, one)
    for place, gradient in enumerate(gradients):
        if place == 5:
            other = one.detach().clone().requires_grad_(True)
            again = optimizer_of(settings, other)
            restore(again, {key: value.copy() for key, value in arrays_of(optimizer).items()})
        one.grad = gradient.clone()
        optimizer.step()
        if place >= 5:
            other.grad = gradient.clone()
            again.step()
            assert torch.equal(one, other)
    assert all(array.ndim >= 1 for array in arrays_of(optimizer).values())
    assert not np.array_equal(one.detach().numpy(), np.ones((3, 4)))
