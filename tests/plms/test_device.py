import pytest

from ptlib.errors import PlmError
from ptlib.plms.device import choose_device, choose_dtype


def test_the_device_asked_for_is_taken():
    assert choose_device("cpu") == "cpu"


def test_without_a_wish_the_choice_is_one_that_computes():
    import torch

    device = choose_device()
    assert float(torch.ones(3, device=device).sum()) == 3.0


@pytest.mark.parametrize("name", ["tpu", "", "meta"])
def test_a_device_that_is_not_here_says_which_are(name):
    with pytest.raises(PlmError, match=r"not here .*expected one of \[.*'cpu'"):
        choose_device(name)


@pytest.mark.parametrize(
    ("device", "asked", "dtype"),
    [("cpu", None, "float32"), ("mps", None, "float32"), ("cuda:0", None, "bfloat16"), ("cpu", "float16", "float16")],
)
def test_the_precision(device, asked, dtype):
    assert choose_dtype(device, asked) == dtype


def test_an_unknown_precision():
    with pytest.raises(PlmError, match=r"unknown dtype .*'int8'"):
        choose_dtype("cpu", "int8")
