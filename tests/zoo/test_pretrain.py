"""Pre-training and building, on a toy size: the real code, from a seed to a prompt."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.plms.load import load
from ptlib.zoo import build, pretrain
from ptlib.zoo.mixture import SKILLS, Document, Shares
from ptlib.zoo.pretrain import Course
from ptlib.zoo.shapes import SHAPES, Shape
from ptlib.zoo.vocabulary import MASK, Vocabulary

TOYS = {"64": Shape("roberta", 16, 2, 2, 32, 3e-3), "t5-64": Shape("t5", 16, 2, 2, 32, 3e-3, encoder_layers=1)}


@pytest.fixture
def short(monkeypatch):
    """A curriculum of a few steps, and no gate at its end."""
    shares = Shares(0.2, 0.1, 0.1, 0.1, 0.1)
    stages = tuple(replace(stage, least=2, most=3, shares=shares, skills=SKILLS) for stage in pretrain.STAGES)
    monkeypatch.setattr(pretrain, "COURSES", {"roberta": (Course(stages),), "t5": (Course(stages[:1]), Course(stages[1:], 0.5))})
    monkeypatch.setattr(pretrain, "BATCH", 8)
    monkeypatch.setattr(pretrain, "CHUNK", 2)
    monkeypatch.setattr(pretrain, "FINAL_GATE", 0.0)
    for name, toy in TOYS.items():
        monkeypatch.setitem(SHAPES, name, toy)


@pytest.mark.parametrize("shape", TOYS)
def test_same_seed_same_weights(short, shape):
    vocabulary, seen = Vocabulary(TOYS[shape].family), []
    one, two, other = (pretrain.pretrain(TOYS[shape], seed, vocabulary, seen.append).state_dict() for seed in (1, 1, 2))
    assert all(one[name].equal(two[name]) for name in one)
    assert not all(one[name].equal(other[name]) for name in one)
    assert {progress.stage for progress in seen} == {"foundations", "mixture", "settle"}
    assert all(set(progress.accuracy) == set(SKILLS) for progress in seen)


def test_the_gate_stops_a_bad_plm(short, monkeypatch):
    monkeypatch.setattr(pretrain, "FINAL_GATE", 0.99)
    with pytest.raises(RuntimeError, match=r"skills below the gate of 0.99"):
        pretrain.pretrain(TOYS["64"], 1, Vocabulary(), lambda progress: None)


@pytest.mark.parametrize("shape", TOYS)
def test_a_cue_is_read_where_a_prompt_will_stand(short, tmp_path, shape):
    """The answer to a document in pre-training is the one that the engine reads behind the cue's word embeddings as a prompt."""
    plm = load(build.build_plm(shape, 7, tmp_path, lambda text: None), device="cpu", dtype="float32")
    vocabulary = Vocabulary(TOYS[shape].family)
    learner = pretrain.LEARNERS[TOYS[shape].family](TOYS[shape], vocabulary, 1)
    learner.model = plm.model
    document = Document("yes", ("infer", "proof"), ("the chef cooked the stew", "nobody cooked the stew"), "inference")
    if plm.info.family == "t5":
        first, text = 0, plm.tokenizer(" ".join(document.texts), add_special_tokens=False)["input_ids"]
    else:
        first, text = 1, plm.tokenizer(*document.texts)["input_ids"]
    cue = [vocabulary.ids[word] for word in document.cue]
    whole = torch.tensor([[MASK] * first + cue + text])
    drawn = (learner.collate([document], np.random.default_rng(seed), 0.0) for seed in range(99))
    batch = next(batch for batch in drawn if batch.ids.equal(whole))
    prompt = plm.words(torch.tensor([0] * first + cue))
    inputs = plm.inputs(prompt, torch.tensor([text]), torch.tensor([len(text)]))
    rows = [(row,) for row in range(len(vocabulary))]
    assert torch.allclose(learner.answers(batch), plm.label_logits(plm.answer_hidden(inputs), rows), atol=1e-4)


@pytest.mark.parametrize("shape", TOYS)
def test_a_built_plm_is_complete_and_kept(short, tmp_path, shape):
    said = []
    home = build.build_plm(shape, 7, tmp_path, said.append)
    assert home.name == f"zoo-{shape}-s7"
    assert json.loads((home / "zoo.json").read_text())["pretraining_seed"] == 7
    assert said
    library = Library.open([tmp_path])
    assert library.refused == ()
    assert library.plm(home.name).hidden == 16
    count = len(said)
    build.build_plm(shape, 7, tmp_path, said.append)
    assert len(said) == count, "what exists is kept"


def test_prompts_that_learn_nothing_stop_the_build(short, tmp_path, monkeypatch):
    monkeypatch.setitem(build.TUNING, "64", {"lr": 1e-9, "steps": 2})
    monkeypatch.setattr(build.zoo_tasks, "TASKS", build.zoo_tasks.TASKS[:1])
    build.build_tasks(tmp_path)
    build.build_plm("64", 7, tmp_path, lambda text: None)
    with pytest.raises(PtlibError, match="does not beat the random prompts on validation"):
        build.build_prompts("64", 7, tmp_path, lambda text: None)
    assert len(list((tmp_path / "prompts" / "zoo-64-s7").glob("random-*"))) == build.RANDOM_PROMPTS
