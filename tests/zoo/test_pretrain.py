"""Pre-training and building, on a toy size: the real code, from a seed to a prompt."""

import json
from dataclasses import replace

import pytest

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.zoo import build, pretrain
from ptlib.zoo.mixture import SKILLS, Shares

TOY = pretrain.Size(16, 2, 2, 32, 3e-3)


@pytest.fixture
def short(monkeypatch):
    """A curriculum of a few steps, and no gate at its end."""
    stages = tuple(replace(stage, least=2, most=3, shares=Shares(0.2, 0.1, 0.1, 0.1), skills=SKILLS) for stage in pretrain.STAGES)
    monkeypatch.setattr(pretrain, "STAGES", stages)
    monkeypatch.setattr(pretrain, "BATCH", 8)
    monkeypatch.setattr(pretrain, "CHUNK", 2)
    monkeypatch.setattr(pretrain, "FINAL_GATE", 0.0)
    monkeypatch.setitem(pretrain.SIZES, "64", TOY)


def test_same_seed_same_weights(short):
    vocabulary, seen = pretrain.Vocabulary(), []
    one, two, other = (pretrain.pretrain(TOY, seed, vocabulary, seen.append).state_dict() for seed in (1, 1, 2))
    assert all(one[name].equal(two[name]) for name in one)
    assert not all(one[name].equal(other[name]) for name in one)
    assert {progress.stage for progress in seen} == {"foundations", "mixture", "settle"}
    assert all(set(progress.accuracy) == set(SKILLS) for progress in seen)


def test_the_gate_stops_a_bad_plm(short, monkeypatch):
    monkeypatch.setattr(pretrain, "FINAL_GATE", 0.99)
    with pytest.raises(RuntimeError, match=r"skills below the gate of 0.99"):
        pretrain.pretrain(TOY, 1, pretrain.Vocabulary(), lambda progress: None)


def test_a_built_plm_is_complete_and_kept(short, tmp_path):
    said = []
    home = build.build_plm("64", 7, tmp_path, said.append)
    assert home.name == "zoo-64-s7"
    assert json.loads((home / "zoo.json").read_text())["pretraining_seed"] == 7
    assert said
    library = Library.open([tmp_path])
    assert library.refused == ()
    assert library.plm("zoo-64-s7").hidden == 16
    count = len(said)
    build.build_plm("64", 7, tmp_path, said.append)
    assert len(said) == count, "what exists is kept"


def test_prompts_that_learn_nothing_stop_the_build(short, tmp_path, monkeypatch):
    monkeypatch.setitem(build.TUNING, "64", {"lr": 1e-9, "steps": 2})
    monkeypatch.setattr(build.zoo_tasks, "TASKS", build.zoo_tasks.TASKS[:1])
    build.build_tasks(tmp_path)
    build.build_plm("64", 7, tmp_path, lambda text: None)
    with pytest.raises(PtlibError, match="does not beat the random prompts on validation"):
        build.build_prompts("64", 7, tmp_path, lambda text: None)
    assert len(list((tmp_path / "prompts" / "zoo-64-s7").glob("random-*"))) == build.RANDOM_PROMPTS
