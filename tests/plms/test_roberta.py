"""What the family file promises beyond parity with transformers (tests/parity): padding, limits, label words, hooks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from ptlib.errors import TaskError
from ptlib.plms.load import load
from ptlib.plms.plm import ALL_SHORTCUTS, Shortcuts
from ptlib.tasks import Split


def hidden(plm, prompt, rows, shortcuts=ALL_SHORTCUTS):
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), plm.model.config.pad_token_id)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    with torch.inference_mode():
        return plm.answer_hidden(plm.inputs(prompt, ids, lengths), shortcuts)


@pytest.fixture
def prompt():
    return torch.tensor(np.random.default_rng(5).normal(0, 0.5, (5, 32)).astype(np.float32))


ANSWER_ROW = [Shortcuts(), Shortcuts(fold_keys=False), Shortcuts(last_layer_answer_only=False)]


@pytest.mark.parametrize("shortcuts", ANSWER_ROW)
def test_a_text_reads_the_same_alone_and_padded_beside_a_longer_one(tiny_plm, prompt, shortcuts):
    short, long = [0, 7, 2], [0, 8, 9, 10, 11, 12, 13, 2]
    together = hidden(tiny_plm, prompt, [short, long], shortcuts)
    alone = [hidden(tiny_plm, prompt, [row], shortcuts)[0] for row in (short, long)]
    assert (together - torch.stack(alone)).abs().max() < 1e-5
    assert (alone[0] - alone[1]).abs().max() > 1e-2


def test_last_layer_for_the_answer_alone_changes_nothing(tiny_plm, prompt):
    rows = [[0, 7, 8, 2], [0, 9, 2], [0, 10, 11, 12, 13, 2]]
    folded, projected, whole = (hidden(tiny_plm, prompt, rows, shortcuts) for shortcuts in ANSWER_ROW)
    assert folded.shape == whole.shape == (3, 32)
    assert (projected - whole).abs().max() < 1e-5
    assert (folded - whole).abs().max() < 1e-5


def test_prompt_slots_take_no_positions_of_the_text(tiny_plm, prompt):
    """Text embeddings are the same whatever the prompt's length."""
    ids, lengths = torch.tensor([[0, 7, 8, 2]]), torch.tensor([4])
    behind = [tiny_plm.inputs(start, ids, lengths).embeds[:, -4:] for start in (None, prompt[:2], prompt)]
    assert torch.equal(behind[0], behind[1])
    assert torch.equal(behind[0], behind[2])


def test_prompt_rows_have_no_order_but_for_the_mask(tiny_plm, prompt):
    """Without position embeddings, swapping rows 1 and 2 changes nothing the PLM can see."""
    swapped = prompt[[0, 2, 1, 3, 4]]
    one, other = (hidden(tiny_plm, values, [[0, 7, 8, 2]]) for values in (prompt, swapped))
    assert (one - other).abs().max() < 1e-5


def test_neurons_of_a_batch_at_the_answer_slot(tiny_plm, prompt):
    inputs = tiny_plm.inputs(prompt, torch.tensor([[0, 7, 2], [0, 8, 2]]), torch.tensor([3, 3]))
    with torch.inference_mode(), tiny_plm.watch_neurons(inputs) as seen:
        tiny_plm.answer_hidden(inputs)
        tiny_plm.answer_hidden(inputs, Shortcuts(last_layer_answer_only=False))
    assert [tuple(item.values.shape) for item in seen] == [(3, 2, 48)] * 2
    assert (seen[0].values - seen[1].values).abs().max() < 1e-5
    assert torch.equal(seen[0].activated, seen[0].values > 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers_almost_the_same(tiny_plm, tiny_plm_folder, prompt, dtype):
    rows, labels = [[0, 7, 2], [0, 8, 9, 10, 2]], [(20,), (21,)]
    half = load(tiny_plm_folder, device="cpu", dtype=dtype)
    exact, found = (plm.label_logits(hidden(plm, prompt, rows), labels).float() for plm in (tiny_plm, half))
    assert torch.isfinite(found).all()
    assert (exact - found).abs().max() < 0.05 * max(1.0, float(exact.abs().max()))


def test_two_label_words_of_one_token(tiny_plm):
    with pytest.raises(TaskError, match="two label words are the same token"):
        tiny_plm.label_ids(["yes", "yes"])


def test_the_longest_text_that_fits(tiny_plm, library):
    """Specials count; one token more does not fit."""
    task, most = library.task("films"), tiny_plm.longest_text("thunlp", 5)
    assert most == 38
    fits = Split([("good " * (most - 2),)], np.array([0]))
    assert hidden(tiny_plm, None, tiny_plm.texts(task, fits, "thunlp").ids).shape == (1, 32)
    with pytest.raises(TaskError, match=rf"row 2.*{most + 1} tokens.*{most} at most"):
        tiny_plm.check_fits([[0, 2], [0] * (most + 1)], most, task)


def test_pairs_are_cut_to_max_length(tiny_plm, library):
    task = dataclasses.replace(library.task("pairs"), max_length=9, source=Path("pairs.toml"))
    (ids,) = tiny_plm.texts(task, Split([("good " * 20, "bad " * 3)], np.array([0])), "thunlp").ids
    assert len(ids) == 9
    assert [ids[0], ids[-1]] == [tiny_plm.tokenizer.bos_token_id, tiny_plm.tokenizer.eos_token_id]
    assert ids.count(tiny_plm.tokenizer("bad", add_special_tokens=False)["input_ids"][0]) == 0, "cut at the end, as the released code does"
