import numpy as np
import torch

from ptlib.neurons.activity import Activity
from ptlib.plms.plm import Shortcuts
from ptlib.transfer.evaluate import evaluate


def test_neurons_at_the_answers_of_all_texts(tiny_plm, library):
    """Against hooks of the test's own that keep every text's neurons, with the last layer computed in whole."""
    task, prompt, kept = library.task("films"), library.prompt("tiny-1/films-s0").load(), []
    hooks = [layer.intermediate.register_forward_hook(lambda _m, _i, out, n=number: kept.append((n, out[:, 0].clone())))
             for number, layer in enumerate(tiny_plm.model.roberta.encoder.layer)]  # fmt: skip
    plain = next(evaluate(tiny_plm, [prompt], task, shortcuts=Shortcuts(False, False, False, False)))
    for hook in hooks:
        hook.remove()
    expected = np.stack([torch.cat([rows for layer, rows in kept if layer == number]).numpy() for number in range(3)])
    activity = Activity()
    found = next(evaluate(tiny_plm, [prompt], task, on_neurons=activity.add))
    assert np.abs(found.logits - plain.logits).max() < 1e-5
    neurons = activity.neurons()
    assert neurons.texts == expected.shape[1] == 60
    assert neurons.mean.shape == neurons.share.shape == (3, 48)
    assert np.abs(neurons.mean - expected.mean(axis=1)).max() < 1e-5
    assert np.abs(neurons.share - (expected > 0).mean(axis=1)).max() < 0.02
    assert 0 < neurons.share.mean() < 1


def test_what_is_kept_does_not_grow_with_the_texts(tiny_plm, library):
    activity, sizes = Activity(), []

    def hear(seen):
        activity.add(seen)
        sizes.append(activity._values.numel() + activity._activated.numel())

    list(evaluate(tiny_plm, [None], library.task("films"), on_neurons=hear, tokens_per_batch=30))
    assert len(sizes) > 5
    assert set(sizes) == {2 * 3 * 48}
