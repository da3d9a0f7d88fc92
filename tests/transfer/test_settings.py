import pytest

from ptlib.errors import PromptError
from ptlib.transfer.settings import TrainingSettings


def test_json_round_trip_is_canonical():
    one = TrainingSettings(8, "mean", sources=("a" * 64, "b" * 64), fit="repeat", lr=1, patience=3, precision="bfloat16")
    assert TrainingSettings.from_json(one.to_json()) == one
    assert (
        one.to_json()
        == TrainingSettings(8, "mean", sources=["a" * 64, "b" * 64], fit="repeat", lr=1.0, patience=3, precision="bfloat16").to_json()
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lr": 0}, "learning rate trains nothing.*found 0.0"), ({"lr": -0.1}, "learning rate trains nothing"),
        ({"lr": float("nan")}, "learning rate trains nothing"), ({"lr": 1e9}, "lr cannot be meant.*100"), ({"lr": "0.1"}, "lr is of no use"),
        ({"lr": True}, "lr is of no use"), ({"steps": 0}, "steps is too small"), ({"batch": -1}, "batch is too small"),
        ({"patience": 0}, "patience is too small"), ({"steps": 2.5}, "steps is of no use"), ({"weight_decay": -1}, "weight_decay is below 0"),
        ({"weight_decay": 7.0}, "weight_decay cannot be meant"), ({"seed": -1}, "seed is below 0"), ({"optimizer": "lion"}, "unknown optimizer.*adafactor"),
        ({"schedule": "sudden"}, "unknown schedule.*cosine"), ({"precision": "int8"}, "unknown precision"), ({"initialisation": "zeros"}, "unknown initialisation"),
        ({"insertion": "infix"}, "unknown insertion"), ({"initialisation": "prompt"}, "takes one source prompt"),
        ({"initialisation": "mean", "sources": ("a",)}, "takes two source prompts"), ({"sources": ("a",)}, "takes no source prompt"),
        ({"sources": "abc"}, "sources is of no use"), ({"initialisation": "text"}, "needs a text"), ({"length": 10**6}, "length cannot be meant"),
    ],
)  # fmt: skip
def test_what_trains_nothing_is_said(wrong, says):
    with pytest.raises(PromptError, match=says):
        TrainingSettings(**wrong)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "not valid JSON"),
        ('{"speed": 1}', "unknown setting 'speed'"),
        ('{"steps": null}', "steps is of no use"),
    ],
)
def test_other_json(text, says):
    with pytest.raises(PromptError, match=says):
        TrainingSettings.from_json(text)


def test_validations_are_four_unless_told():
    assert [TrainingSettings(steps=steps).stride for steps in (160, 3, 1)] == [40, 1, 1]
    assert TrainingSettings(evaluate_every=7).stride == 7
