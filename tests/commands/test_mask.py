"""``ptlib mask`` with a real worker, on the tiny library."""

import json

import pytest

import ptlib
from ptlib.library import Library
from tests.test_cli import run, surroundings  # noqa: F401


def test_a_table_what_it_costs_and_whether_it_is_specific(capsys):
    ask = ("mask", "films", "--seeds", "0", "--shares", "10", "50", "--draws", "2", "--limit", "10", "--json")
    code, out, err = run(capsys, *ask)
    assert code == 0, err
    rows = json.loads(out)
    assert "60 cells, 600 examples, about" in err
    assert {row["line"] for row in rows} == {"most activated", "distinctive", "random (as most activated)", "random (as distinctive)",
                                             "least activated"}  # fmt: skip
    assert {row["group"] for row in rows} == {"own task", "same type", "other types"}
    assert {row["masked"] for row in rows} == {14, 72}
    assert err.count("permutation p = ") == 4
    code, again, err = run(capsys, *ask)
    assert again == out
    assert "cells, " not in err, "all of it is there"
    cut = ptlib.Cut(shares=(0.1,), draws=2)
    table = ptlib.masked_scores(["films"], "tiny-1", cut=cut, seeds=[0], limit=10, library=Library.open())
    shown = next(row for row in rows if (row["line"], row["share"], row["group"]) == ("distinctive", 0.1, "other types"))
    assert table[(table.rule == "distinctive") & table.target.isin(["pairs", "doubles"])].value.mean() == pytest.approx(shown["score"])


def test_one_layer_at_a_time_and_the_prompt_itself(capsys):
    code, out, err = run(capsys, "mask", "films", "--seeds", "0", "--shares", "20", "--rules", "most", "--each-layer", "--limit", "10",
                         "--read-with", "masked", "--cells", "--json")  # fmt: skip
    assert code == 0, err
    rows = json.loads(out)
    assert {(row["layers"], row["reader"]) for row in rows} == {(layer, "tiny-1/films-s0") for layer in "123"}
    assert "p = " not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("films", "--shares", "0"), "share of neurons cannot be masked"),
        (("films", "--shares", "80"), "found 0.8, expected above 0, at most 0.5"),
        (("films", "--layers", "9"), "no such layer; they count from 1 (found 9, expected 1 to 3)"),
        (("films", "--layers", "0"), "found 0, expected 1 to 3"),
        (("films", "--layers", "1", "--each-layer"), "exclude each other"),
        (("absent",), "no prompt of this task is selected"),
        (("films", "--sources", "films", "--rules", "distinctive"), "need prompts of another type"),
        (("films", "--seeds", "7"), "no prompt of seed 7"),
    ],
)
def test_what_cannot_be(capsys, arguments, message):
    code, out, err = run(capsys, "mask", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
