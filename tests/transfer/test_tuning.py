import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, TaskError
from ptlib.transfer.baselines import fine_tune, majority
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.tuning import tune


@pytest.fixture(scope="module")
def easy(tmp_path_factory):
    """A task that one word decides."""
    import json
    from random import Random

    from ptlib.tasks import load_task

    folder, rng = tmp_path_factory.mktemp("easy"), Random(1)
    for split in ("train", "validation", "test"):
        rows = []
        for _ in range(128):
            good = rng.random() < 0.5
            text = " ".join([*(rng.choice(["the", "plot", "was", "it"]) for _ in range(3)), "good" if good else "bad"])
            rows.append(json.dumps({"text": text, "label": "yes" if good else "no"}))
        (folder / f"{split}.jsonl").write_text("\n".join(rows))
    (folder / "easy.toml").write_text(
        'name="easy"\ntype="t"\nfields=["text"]\nlabel_field="label"\nlabels=["no","yes"]\nlabel_words=["no","yes"]\n'
        '[splits]\ntrain="train.jsonl"\nvalidation="validation.jsonl"\ntest="test.jsonl"\n'
    )
    return load_task(folder / "easy.toml")


def weights(plm) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in plm.model.state_dict().values())


def test_learns_and_leaves_the_plm_alone(tiny_plm, easy):
    before = weights(tiny_plm)
    tuned = tune(tiny_plm, easy, length=6, steps=120, lr=0.05, batch=16)
    assert weights(tiny_plm) == before
    assert not any(parameter.requires_grad for parameter in tiny_plm.model.parameters())
    untrained = next(evaluate(tiny_plm, [None], easy)).value
    trained = next(evaluate(tiny_plm, [tuned.prompt], easy)).value
    assert trained > max(0.8, untrained)
    assert tuned.curve[-1].loss < tuned.curve[0].loss
    assert tuned.prompt.meta["validation"] == max(point.validation for point in tuned.curve)


def test_same_seed_same_prompt(tiny_plm, easy):
    one, two = (tune(tiny_plm, easy, length=4, steps=6, batch=8, seed=3).prompt for _ in range(2))
    other = tune(tiny_plm, easy, length=4, steps=6, batch=8, seed=4).prompt
    assert one.digest == two.digest != other.digest


def test_starts_from_a_source_prompt(tiny_plm, easy, library):
    source = library.prompt("tiny-1/films-s0").load()
    tuned = tune(tiny_plm, easy, steps=1, lr=1e-6, batch=8, init=source)
    assert np.abs(tuned.prompt.values - source.values).max() < 1e-4
    assert tuned.prompt.meta["init"] == source.digest


def test_divergence_names_the_step(tiny_plm, easy):
    with pytest.raises(PromptError, match=r"diverged.*easy, step \d+|easy, step \d+.*diverged"):
        tune(tiny_plm, easy, length=4, steps=40, lr=float("inf"), batch=8)


def test_needs_validation_data(tiny_plm, easy):
    import dataclasses

    with pytest.raises(TaskError, match="needs a validation split"):
        tune(tiny_plm, dataclasses.replace(easy, splits={"train": easy.splits["train"]}))


def test_baselines(tiny_plm, easy):
    before = weights(tiny_plm)
    found = fine_tune(tiny_plm, easy, steps=60, lr=2e-3)
    assert found.value > 0.9
    assert weights(tiny_plm) == before
    share = np.bincount(easy.read("test").labels)[np.bincount(easy.read("train").labels).argmax()] / 128
    assert majority(easy) == share
    assert torch.is_grad_enabled()
