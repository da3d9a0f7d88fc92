import json

import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, TaskError
from ptlib.plms.load import load
from ptlib.prompts import SoftPrompt
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
    huge = SoftPrompt(np.full((4, 32), 1e30, np.float32), "huge", "", "", insertion="thunlp")
    with pytest.raises(PromptError, match=r"easy, step 1: training diverged"):
        tune(tiny_plm, easy, steps=40, batch=8, init=huge)


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


@pytest.mark.parametrize("wrong", [{"length": 1}, {"steps": 0}, {"batch": 0}])
def test_settings_that_train_nothing(tiny_plm, easy, wrong):
    (name,) = wrong
    with pytest.raises(PromptError, match=f"{name} is too small to train a prompt"):
        tune(tiny_plm, easy, **{"steps": 2, **wrong})


def test_the_inert_row_stays_as_it_was_drawn(tiny_plm, easy, library):
    source = library.prompt("tiny-1/films-s0").load()
    values = tune(tiny_plm, easy, steps=5, lr=0.05, batch=8, init=source).prompt.values
    assert np.array_equal(values[0], source.values[0])
    assert (np.abs(values[1:] - source.values[1:]).max(axis=1) > 1e-3).all()


def test_the_prompt_is_the_one_its_score_belongs_to(tiny_plm, easy):
    tuned = tune(tiny_plm, easy, length=6, steps=24, lr=0.05, batch=16, evaluate_every=4)
    again = next(evaluate(tiny_plm, [tuned.prompt], easy, split="validation"))
    assert again.value == tuned.prompt.meta["validation"]
    assert [point.step for point in tuned.curve] == [4, 8, 12, 16, 20, 24]


def test_fine_tuning_repeats_itself_also_with_dropout(tiny_plm, easy):
    for module in tiny_plm.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one = fine_tune(tiny_plm, easy, steps=4, seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert np.array_equal(one.logits, fine_tune(tiny_plm, easy, steps=4, seed=2).logits)
    assert not np.array_equal(one.logits, fine_tune(tiny_plm, easy, steps=4, seed=3).logits)


@pytest.mark.parametrize(
    ("family", "insertion"), [("bert", "thunlp"), ("t5", "thunlp"), ("t5", "peft"), ("gpt2", "peft"), ("llama", "openprompt")]
)
def test_every_family_learns(tmp_path, family, insertion):
    """Two words that say the label: a prompt that learned scores higher than it started; the PLM stays as it was."""
    from ptlib.tasks import load_task
    from tests.families import build

    plm = load(build(family, tmp_path / family), device="cpu")
    before = {name: values.clone() for name, values in plm.model.state_dict().items()}
    rows = "\n".join(json.dumps({"text": f"the plot was {word}", "label": label}) for label, word in enumerate(("bad", "good"))) + "\n"
    for split in ("train", "validation"):
        (tmp_path / f"{split}.jsonl").write_text(rows * 16)
    words = '["bad", "good"]'
    (tmp_path / "t.toml").write_text(f'name = "t"\ntype = "s"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\nlabel_words = {words}\n'
                                     '[splits]\ntrain = "train.jsonl"\nvalidation = "validation.jsonl"\n')  # fmt: skip
    found = tune(plm, load_task(tmp_path / "t.toml"), length=5, steps=60, lr=0.1, batch=8, insertion=insertion)
    assert found.prompt.insertion == insertion
    assert found.curve[-1].loss < found.curve[0].loss
    assert all(torch.equal(values, before[name]) for name, values in plm.model.state_dict().items())
