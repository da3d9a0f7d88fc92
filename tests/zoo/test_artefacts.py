"""The zoo that ships: it loads by transformers' Auto classes, its prompts work, and its findings hold."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

from ptlib.analysis import correlation, relative
from ptlib.analysis.indicators import EMBEDDING_INDICATORS, same_type
from ptlib.library import ZOO, Library
from ptlib.neurons.overlap import overlap
from ptlib.neurons.stimulate import stimulate
from ptlib.plms.load import load
from ptlib.transfer.evaluate import evaluate

EXAMPLES = 120
"""Of each test split: enough for the findings at their margins, and a minute and a half for three PLMs."""
WHERE_ON_TELLS = ("zoo-64-s1", "zoo-128-s1")
"""On the T5 same-type prompts transfer as well, and ON does not say so: the report's claims on ON do not hold there."""


@pytest.fixture(scope="module")
def zoo():
    return Library.open([ZOO])


def test_nothing_is_refused_and_everything_is_there(zoo):
    assert zoo.refused == ()
    assert set(zoo.plms) >= {"zoo-64-s1", "zoo-128-s1", "zoo-t5-64-s1"}
    assert zoo.default_plm() == "zoo-64-s1"
    for plm in zoo.plms:
        trained = zoo.prompts(plm, ("trained",))
        assert sorted((entry.task, entry.seed) for entry in trained) == sorted((task, seed) for task in zoo.tasks for seed in (0, 1, 2))
        assert len(zoo.prompts(plm, ("random",))) == 4
    digests = [entry.digest for entry in zoo.entries]
    assert len(set(digests)) == len(digests)


def test_loads_by_the_auto_classes(zoo):
    for plm in zoo.plms.values():
        tokenizer = AutoTokenizer.from_pretrained(plm.folder, local_files_only=True)
        if plm.family == "t5":
            model = AutoModelForSeq2SeqLM.from_pretrained(plm.folder, local_files_only=True)
            ids = tokenizer("the plot was <extra_id_0>", return_tensors="pt")
            ids["decoder_input_ids"] = torch.tensor([[model.config.decoder_start_token_id]])
        else:
            model = AutoModelForMaskedLM.from_pretrained(plm.folder, local_files_only=True)
            ids = tokenizer("the plot was <mask>", return_tensors="pt")
        assert tokenizer.unk_token_id not in ids["input_ids"]
        assert model(**ids).logits.shape[-1] == plm.vocab
        assert tokenizer("the plot", "the cast")["input_ids"].count(tokenizer.eos_token_id) == 2


def check_on(on, transfer, names, types):
    assert correlation.group_means(on, np.array(names), np.array(types)).p < 0.05
    predicted = correlation.mean_spearman(transfer[None], on[None])
    assert predicted.value > 0
    assert predicted.p < 0.01


@pytest.mark.parametrize("plm_id", ["zoo-64-s1", "zoo-128-s1", "zoo-t5-64-s1"])
def test_findings(zoo, plm_id):
    """The claims of ``ptlib zoo report`` on one prompt seed and fewer examples, with the margins they are made with."""
    torch.set_num_threads(1)
    plm, names = load(zoo.plm(plm_id), device="cpu"), list(zoo.tasks)
    types = [zoo.task(name).type for name in names]
    prompts = [zoo.prompt(f"{plm_id}/{name}-s0").load() for name in names]
    drawn = [entry.load() for entry in zoo.prompts(plm_id, ("random",))]
    columns = [[found.value for found in evaluate(plm, [*prompts, *drawn], zoo.task(name), limit=EXAMPLES)] for name in names]
    scores = np.array(columns).T
    transfer, random = scores[: len(names)], scores[len(names) :]
    own = np.diag(transfer)
    assert (own > random.max(axis=0)).all()
    assert (own - random.mean(axis=0)).mean() >= 0.25
    effect = relative.type_effect(transfer[None], types)
    assert effect.same.value - effect.other.value >= 0.15
    on = overlap(stimulate(plm, prompts).activated)
    assert np.isfinite(on).all()
    if plm_id in WHERE_ON_TELLS:
        check_on(on, transfer, names, types)
    others = {name: indicator(np.stack([prompt.values for prompt in prompts]), (0,)) for name, indicator in EMBEDDING_INDICATORS.items()}
    assert all(np.isfinite(values).all() for values in others.values())
    assert same_type(types).sum() > len(types)


def test_the_plm_is_described_as_made(zoo):
    for plm in zoo.plms.values():
        card = plm.card
        assert card["synthetic"] is True
        assert card["parameters"] == plm.parameters
        final = card["history"][-1]["cue_accuracy"]
        assert min(final.values()) >= 0.85
