"""Every family and insertion against transformers' own public forward: explicit inputs_embeds and position ids, one text
at a time, computed slowly and independently of the family's file."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, TaskError
from ptlib.neurons.stimulate import stimulate
from ptlib.plms.load import load
from ptlib.plms.plm import Shortcuts
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Split, load_task
from ptlib.transfer.evaluate import evaluate
from tests.families import FAMILIES, build

TEXTS = ["the plot was good", "the food was not good it was bad", "dull"]
CASES = [(family, way) for family in FAMILIES for way in ("thunlp", "openprompt", "peft")
         if way != "thunlp" or family in ("roberta", "bert", "t5", "t5-gated")]  # fmt: skip
NONE = Shortcuts(**{field.name: False for field in fields(Shortcuts)})
WORDS = {"gpt2": ("good", "bad"), "llama": ("good", "bad"), "mistral": ("good", "bad"), "qwen2": ("good", "bad"), "qwen3": ("good", "bad")}


@pytest.fixture(scope="module")
def plms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    kept = {}

    def get(family):
        if family not in kept:
            kept[family] = load(build(family, folder / family), device="cpu")
        return kept[family]

    return get


def make_task(folder, family, **more):
    words = WORDS.get(family, ("negative", "positive"))
    rows = "\n".join(f'{{"text": "{text}", "label": {number % 2}}}' for number, text in enumerate(TEXTS))
    (folder / "test.jsonl").write_text(rows)
    lines = {"name": '"t"', "type": '"sentiment"', "fields": '["text"]', "label_field": '"label"', "labels": '["0", "1"]',
             "label_words": f'["{words[0]}", "{words[1]}"]', **more}  # fmt: skip
    (folder / "t.toml").write_text("\n".join(f"{key} = {value}" for key, value in lines.items()) + '\n[splits]\ntest = "test.jsonl"\n')
    return load_task(folder / "t.toml")


def prompt_for(plm, insertion, length=5):
    values = np.random.default_rng(1).normal(0, 0.7, (length, plm.hidden)).astype(np.float32)
    return SoftPrompt(values, "p", "", "", insertion=insertion)


def plain(plm, text):
    return plm.tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def slow(plm, family, insertion, prompt, text):
    """(vocabulary,) logits at the answer of one text (None: the opening token alone), through the model's public forward."""
    model, tok = plm.model, plm.tokenizer
    table = model.get_input_embeddings().weight
    rows = torch.tensor(prompt.values)

    def mlm(first, mask, last, pad, own_first):
        if insertion == "thunlp":
            ids = [first] if text is None else [first, *plain(plm, text), last]
            embeds = torch.cat([table[[mask]], rows[1:], table[ids]])
            # No position: the padding row of RoBERTa's table is zero; BERT's is not, so it is taken off before.
            zero = model.base_model.embeddings.position_embeddings.weight[0 if family == "bert" else pad]
            embeds[: len(rows)] -= zero
            positions = [0 if family == "bert" else pad] * len(rows) + [pad + 1 + place for place in range(len(ids))]
            at = 0
        else:
            ids = [first, *plain(plm, text), mask, last]
            embeds = torch.cat([rows, table[ids]])
            positions, at = [own_first + place for place in range(len(embeds))], len(rows) + len(ids) - 2
        return model(inputs_embeds=embeds[None], position_ids=torch.tensor([positions])).logits[0, at]

    if family == "roberta":
        return mlm(tok.bos_token_id, tok.mask_token_id, tok.eos_token_id, 1, 2)
    if family == "bert":
        return mlm(tok.cls_token_id, tok.mask_token_id, tok.sep_token_id, 0, 0)
    if family.startswith("t5"):
        sentinel, eos = tok.convert_tokens_to_ids("<extra_id_0>"), tok.eos_token_id
        ids = {"thunlp": [], "openprompt": [sentinel, eos], "peft": [eos]}[insertion]
        embeds = torch.cat([rows, table[[*plain(plm, text), *ids]]])[None]
        start = [[0, sentinel]] if insertion == "openprompt" else [[0]]
        return model(inputs_embeds=embeds, decoder_input_ids=torch.tensor(start)).logits[0, -1]
    embeds = torch.cat([rows, table[tok(text)["input_ids"]]])[None]
    return model(inputs_embeds=embeds, position_ids=torch.arange(embeds.shape[1])[None]).logits[0, -1]


@pytest.mark.parametrize(("family", "insertion"), CASES)
def test_label_logits(plms, tmp_path, family, insertion):
    plm = plms(family)
    task, prompt = make_task(tmp_path, family), prompt_for(plm, insertion)
    label_ids = [row for (row,) in plm.label_ids(task.label_words)]
    expected = np.array([slow(plm, family, insertion, prompt, text)[label_ids].numpy() for text in TEXTS])
    assert expected.std() > 0.05
    for shortcuts in (Shortcuts(), NONE, *(replace(NONE, **{field.name: True}) for field in fields(NONE))):
        found = next(evaluate(plm, [prompt], task, shortcuts=shortcuts))
        assert np.abs(found.logits - expected).max() < 1e-4


@pytest.mark.parametrize("window", [4, 7, 64])
def test_a_prompt_read_once_for_all_texts_under_a_sliding_window(tmp_path, window):
    plm = load(build("mistral", tmp_path / "plm"), device="cpu")
    plm.model.config.sliding_window = window
    task, prompt = make_task(tmp_path, "mistral"), prompt_for(plm, "peft")
    label_ids = [row for (row,) in plm.label_ids(task.label_words)]
    with torch.no_grad():
        expected = np.array([slow(plm, "mistral", "peft", prompt, text)[label_ids].numpy() for text in TEXTS])
    assert np.abs(next(evaluate(plm, [prompt], task)).logits - expected).max() < 1e-4


@pytest.mark.parametrize(("family", "insertion"), CASES)
def test_neurons(plms, family, insertion):
    """Read by a hook of the test's own on the last module of each FFN, while the public forward runs."""
    plm, seen = plms(family), []
    prompt = prompt_for(plm, insertion)
    found = stimulate(plm, [prompt])
    model, tok, rows = plm.model, plm.tokenizer, torch.tensor(prompt.values)
    table = model.get_input_embeddings().weight
    named = [(name, module) for name, module in model.named_modules()]
    ends = {"roberta": "output.dense", "bert": "output.dense", "gpt2": "mlp.c_proj"}.get(
        family, ".wo" if family[:2] == "t5" else "down_proj"
    )
    downs = [module for name, module in named if name.endswith(ends) and "attention" not in name and not name.startswith("encoder.")]
    assert len(downs) == 3
    hooks = [module.register_forward_pre_hook(lambda _m, given: seen.append(given[0][0].clone())) for module in downs]
    with torch.no_grad():
        if family in ("roberta", "bert") and insertion == "thunlp":
            slow(plm, family, insertion, prompt, None)
            at = 0
        elif family in ("roberta", "bert"):
            slow(plm, family, insertion, prompt, "")
            at = len(rows) + 1
        elif family[:2] == "t5":
            sentinel = tok.convert_tokens_to_ids("<extra_id_0>")
            start = [[0, sentinel]] if insertion == "openprompt" else [[0]]
            model(inputs_embeds=torch.cat([rows, table[[sentinel]]])[None], decoder_input_ids=torch.tensor(start))
            at = -1
        else:
            opening = tok.eos_token_id if tok.bos_token_id is None else tok.bos_token_id
            model(inputs_embeds=torch.cat([rows, table[[opening]]])[None])
            at = -1
    for hook in hooks:
        hook.remove()
    expected = np.stack([values[at].numpy() for values in seen])
    # What the last layer multiplies; T5 1.0 keeps the value before ReLU.
    values = np.maximum(found.values[0], 0) if family == "t5" else found.values[0]
    assert np.abs(values - expected).max() < 1e-5
    if family not in ("t5-gated", "llama", "mistral", "qwen2", "qwen3"):
        assert np.array_equal(found.activated[0], expected > 0)


@pytest.mark.parametrize("family", ["t5-gated", "llama", "qwen3"])
def test_activated_means_gate_above_zero(plms, family):
    plm, gates = plms(family), []
    prompt = prompt_for(plm, plm.insertions[0])
    ends = "decoder" if family == "t5-gated" else "gate_proj"
    modules = [module for name, module in plm.model.named_modules() if name.endswith(("wi_0", "gate_proj")) and ends in name]
    hooks = [module.register_forward_hook(lambda _m, _i, out: gates.append(out[0, -1].clone())) for module in modules]
    found = stimulate(plm, [prompt])
    for hook in hooks:
        hook.remove()
    assert np.array_equal(found.activated[0], np.stack([gate.numpy() > 0 for gate in gates]))
    assert not np.array_equal(found.activated, found.values > 0), "the sign of up would have decided"


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_nothing(plms, tmp_path, family):
    plm = plms(family)
    task, prompt = make_task(tmp_path, family), prompt_for(plm, plm.insertions[0])
    together = next(evaluate(plm, [prompt], task, tokens_per_batch=1000)).logits
    alone = next(evaluate(plm, [prompt], task, tokens_per_batch=1)).logits
    assert np.abs(together - alone).max() < 1e-4


def test_a_decoder_does_not_know_thunlp(plms, tmp_path):
    with pytest.raises(PromptError, match=r"gpt2.*insertion is not defined.*'thunlp'.*one of \['peft', 'openprompt'\]"):
        next(evaluate(plms("gpt2"), [prompt_for(plms("gpt2"), "thunlp")], make_task(tmp_path, "gpt2")))


def test_another_insertion_can_be_chosen(plms, tmp_path):
    plm, task = plms("roberta"), make_task(tmp_path, "roberta")
    own, other = (next(evaluate(plm, [prompt_for(plm, "thunlp")], task, insertion=way)).logits for way in (None, "peft"))
    assert np.abs(own - other).max() > 0.01
    assert np.array_equal(other, next(evaluate(plm, [prompt_for(plm, "peft")], task)).logits)


def test_the_mask_stands_where_the_template_says(plms, tmp_path):
    plm = plms("bert")
    texts = plm.texts(make_task(tmp_path, "bert"), Split([("{mask} it was", "good"), ("{mask}", "bad")], np.array([0, 1])), "openprompt")
    assert {row[place] for row, place in zip(texts.ids, texts.answers, strict=True)} == {plm.tokenizer.mask_token_id}
    assert set(texts.answers) == {1}
    plain_ids = plm.texts(make_task(tmp_path, "bert"), Split([("{mask} it was", "good")], np.array([0])), "thunlp").ids[0]
    assert plm.tokenizer.decode(plain_ids) == "[CLS] it was [SEP] good [SEP]", "thunlp has a place of its own for the mask"


def test_label_words_of_several_tokens(plms):
    plm = plms("gpt2")
    with pytest.raises(TaskError, match=r"'unreal' is of several tokens.*label_rule"):
        plm.label_ids(["unreal", "good"])
    first = plm.label_ids(["unreal", "good"], "first")
    whole = plm.label_ids(["unreal", "good"], "mean")
    assert [len(group) for group in first] == [1, 1]
    assert first[0] == whole[0][:1]
    assert len(whole[0]) > 1
    with pytest.raises(TaskError, match="two label words are the same token"):
        plm.label_ids(["unreal", "untrue"], "first")
    hidden = torch.randn(4, plm.hidden)
    logits, logs = plm.output_layer(hidden), plm.output_layer(hidden).log_softmax(-1)
    found = plm.label_logits(hidden, whole)
    assert torch.allclose(found[:, 0], logits[:, list(whole[0])].mean(1), atol=1e-5)
    gaps = found[:, 0] - found[:, 1]
    assert torch.allclose(gaps, logs[:, list(whole[0])].mean(1) - logs[:, whole[1][0]], atol=1e-5), "ranks as mean log-probabilities do"


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "gpt2", "llama", "qwen3"])
def test_written_text_is_the_greedy_one(plms, tmp_path, family):
    """Against a loop that calls the public forward once for every token, one text at a time."""
    plm = plms(family)
    rows = "\n".join(f'{{"text": "{text}", "answer": "good"}}' for text in TEXTS)
    (tmp_path / "test.jsonl").write_text(rows)
    (tmp_path / "g.toml").write_text('name = "g"\ntype = "qa"\nfields = ["text"]\nanswer_field = "answer"\nmetric = "f1"\n'
                                     'max_new_tokens = 6\n[splits]\ntest = "test.jsonl"\n')  # fmt: skip
    task, prompt = load_task(tmp_path / "g.toml"), prompt_for(plm, plm.insertions[0])
    found = next(evaluate(plm, [prompt], task))
    table, rows, expected = plm.model.get_input_embeddings().weight, torch.tensor(prompt.values), []
    for text in TEXTS:
        read, written = torch.cat([rows, table[plain(plm, text)]])[None], []
        while len(written) < 6 and (not written or written[-1] != plm.tokenizer.eos_token_id):
            if family.startswith("t5"):
                out = plm.model(inputs_embeds=read, decoder_input_ids=torch.tensor([[0, *written]]))
            else:
                out = plm.model(inputs_embeds=torch.cat([read, table[written][None]], dim=1))
            written.append(int(out.logits[0, -1].argmax()))
        expected.append(plm.tokenizer.decode(written, skip_special_tokens=True).strip())
    assert list(found.texts) == expected
    assert len(set(expected)) > 1
    assert 0 <= found.ci_low <= found.value <= found.ci_high <= 1


def test_an_encoder_does_not_write(plms, tmp_path):
    (tmp_path / "test.jsonl").write_text('{"text": "good", "answer": "good"}')
    (tmp_path / "g.toml").write_text('name = "g"\ntype = "qa"\nfields = ["text"]\nanswer_field = "answer"\n[splits]\ntest = "test.jsonl"\n')
    with pytest.raises(TaskError, match="does not write text"):
        next(evaluate(plms("bert"), [prompt_for(plms("bert"), "thunlp")], load_task(tmp_path / "g.toml")))
