import dataclasses
import gc
import json
import weakref

import numpy as np
import pytest

from ptlib.plms.load import load
from ptlib.transfer import tokens
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.tokens import Tokens, tokens_of


def test_tokenised_once_for_all_prompts(tiny_plm, library, monkeypatch):
    calls, real = [], tiny_plm.texts
    monkeypatch.setattr(tiny_plm, "texts", lambda *given: calls.append(1) or real(*given))
    prompts = [library.prompt(f"tiny-1/{name}").load() for name in ("films-s0", "meals-s0", "pairs-s1")]
    assert len(list(evaluate(tiny_plm, [None, *prompts], library.task("films")))) == 4
    assert len(list(evaluate(tiny_plm, prompts, library.task("films")))) == 3
    assert len(calls) == 1


def test_other_rows_label_words_or_data_are_other_tokens(tiny_plm, library, tmp_path):
    task = library.task("films")
    whole, part = tokens_of(tiny_plm, task, "test"), tokens_of(tiny_plm, task, "test", 7)
    assert whole.ids[:7] == part.ids
    other = dataclasses.replace(task, label_words=("no", "yes"))
    assert tokens_of(tiny_plm, other, "test").label_ids != whole.label_ids
    changed = tmp_path / "test.jsonl"
    changed.write_text("\n".join(json.dumps({"text": "the food was good", "label": "positive"}) for _ in range(3)))
    assert len(tokens_of(tiny_plm, dataclasses.replace(task, splits={"test": changed}), "test").ids) == 3


def test_padded_on_the_right():
    kept = Tokens([[5, 6, 7], [8], [9, 10]], [2, 0, 1], np.array([0, 1, 0]), [(1,), (2,)], [])
    ids, lengths, answers = kept.batch([1, 0], pad=3, device="cpu")
    assert ids.tolist() == [[8, 3, 3], [5, 6, 7]]
    assert lengths.tolist() == [1, 3]
    assert answers.tolist() == [0, 2]


def test_memory_is_bounded_and_goes_with_the_plm(tiny_plm_folder, library, monkeypatch):
    monkeypatch.setattr(tokens, "KEEP", 3)
    plm = load(tiny_plm_folder, device="cpu")
    for limit in range(1, 9):
        tokens_of(plm, library.task("films"), "test", limit)
    assert len(tokens._kept[plm]) == 3
    gone = weakref.ref(plm)
    del plm
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("limit", [1, 5, None])
def test_one_label_a_text(tiny_plm, library, limit):
    found = tokens_of(tiny_plm, library.task("pairs"), "test", limit)
    assert len(found.ids) == len(found.labels) == (limit or 60)
