"""Foreign prompts: what is read, from which file, as what; and what is refused, with nothing run."""

import json
import os
import pickle

import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, Refused
from ptlib.prompts import SoftPrompt, save
from ptlib.prompts.scan import Found, scan

VALUES = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def put(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(what, path)
    return path


def only(folder):
    (item,) = list(scan(folder))
    return item


@pytest.mark.parametrize(
    ("place", "task", "backbone", "kind"),
    [
        ("task_prompt_emb/MNLIPromptRobertaLarge/task_prompt", "mnli", "roberta-large", "trained"),
        ("task_prompt_emb/IMDBPromptT5Small/task_prompt", "imdb", "t5-small", "trained"),
        ("task_prompt_emb/laptopPromptRoberta_proj/task_prompt", "semeval-laptop", "roberta-base", "projected"),
        ("task_prompt_emb/snliPrompt_cross_model_T5_to_Roberta/task_prompt", "snli", "roberta-base", "projected"),
        ("task_prompt_emb/randomPromptRoberta/task_prompt", "", "roberta-base", "random"),
        ("prompts/Bert/QQP/task_prompt", "qqp", "bert-base-uncased", "trained"),
        ("prompts_cross_model/T5_to_Roberta/IMDB/task_prompt", "imdb", "roberta-base", "projected"),
        ("prompts_random/T5/task_prompt", "", "t5-base", "random"),
    ],
)
def test_the_authors_folders_say_what_a_prompt_is(tmp_path, place, task, backbone, kind):
    put(tmp_path / place, torch.tensor(VALUES))
    found = only(tmp_path)
    assert (found.format, found.task, found.backbone, found.kind, found.insertion) == ("thunlp", task, backbone, kind, "thunlp")
    assert np.array_equal(found.values, VALUES)


def test_a_projected_prompt_that_still_wants_gradients(tmp_path):
    put(tmp_path / "MNLIPromptRoberta_proj" / "task_prompt", torch.tensor(VALUES, requires_grad=True))
    assert np.array_equal(only(tmp_path).values, VALUES)


def test_openprompts_mixed_template_never_reads_its_row_0(tmp_path):
    put(tmp_path / "best.ckpt", {"template.soft_embedding.weight": torch.tensor(VALUES)})
    found = only(tmp_path)
    assert np.array_equal(found.values, VALUES[1:])
    assert found.insertion == "unknown"
    assert "MixedTemplate" in found.meta["insertion_note"]


@pytest.mark.parametrize("key", ["prompt_model.template.soft_embeds", "template.soft_embeds", "soft_embeds"])
def test_openprompt_state_dicts(tmp_path, key):
    other = {"plm.layer.weight": torch.zeros(3, 3), "plm.other.weight": torch.zeros(2, 2)}
    put(tmp_path / "best.ckpt", {**other, key: torch.tensor(VALUES)})
    found = only(tmp_path)
    assert (found.format, found.insertion, found.meta["tensor"]) == ("openprompt", "openprompt", key)
    assert np.array_equal(found.values, VALUES)


def test_a_plain_tensor_a_dict_with_one_and_numbers_beside_it(tmp_path):
    put(tmp_path / "a.pt", torch.tensor(VALUES).double())
    put(tmp_path / "b.pt", {"best_prompt": torch.tensor(VALUES), "best_acc": torch.tensor(0.5)})
    first, second = scan(tmp_path)
    assert first.values.dtype == np.float32
    assert (first.format, second.meta["best_acc"]) == ("tensor", 0.5)


def test_safetensors_of_this_project_and_of_others(tmp_path):
    from safetensors.numpy import save_file

    save(SoftPrompt(VALUES, "mine", "", "films", 1, insertion="peft"), tmp_path / "a.safetensors")
    save_file({"whatever": VALUES}, tmp_path / "b.safetensors")
    save_file({"one": VALUES, "two": VALUES}, tmp_path / "c.safetensors")
    first, second, third = scan(tmp_path)
    assert (first.name, first.task, first.insertion) == ("mine", "films", "peft")
    assert np.array_equal(second.values, VALUES)
    assert isinstance(third, Refused)
    assert "2 tensors" in third.reason


class Code:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_file_is_not_run_and_the_rest_goes_on(tmp_path, how):
    target, path = tmp_path / "run", tmp_path / "prompts" / "b.pkl"
    put(tmp_path / "prompts" / "a.pt", torch.tensor(VALUES))
    if how == "torch":
        put(path, {"prompt": Code(target)})
    else:
        path.write_bytes(pickle.dumps(Code(target)))
    put(tmp_path / "prompts" / "c.pt", torch.tensor(VALUES))
    first, bad, last = scan(tmp_path / "prompts")
    assert isinstance(first, Found)
    assert isinstance(last, Found)
    assert isinstance(bad, Refused)
    assert bad.path == str(path)
    assert "torch file" in bad.reason
    assert not target.exists()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (torch.zeros(2, 3, 4), r"no matrix of floats \(found shape \(2, 3, 4\)"),
        (torch.zeros(2, 3, dtype=torch.long), "no matrix of floats"),
        (torch.full((2, 3), float("nan")), "NaN or infinite"),
        ({"a": torch.zeros(2, 2), "b": torch.zeros(2, 2)}, "no prompt in the file"),
        ([1, 2], "no prompt in the file"),
        (torch.zeros(20_000, 900), "too large for a prompt"),
    ],
)
def test_files_of_no_use_are_a_sentence(tmp_path, what, message):
    put(tmp_path / "a.pt", what)
    item = only(tmp_path)
    assert isinstance(item, Refused)
    assert __import__("re").search(message, item.reason)


def test_a_truncated_file(tmp_path):
    path = put(tmp_path / "a.pt", torch.tensor(VALUES))
    path.write_bytes(path.read_bytes()[:-40])
    assert "truncated or no torch file" in only(tmp_path).reason


def test_a_file_that_kills_the_reading_process_is_refused_and_the_rest_goes_on(tmp_path, monkeypatch):
    from ptlib.prompts import torch_file

    real = torch_file._ask

    def ask(child, number, path):
        if path.name == "b.pt":
            child.kill()
        return real(child, number, path)

    monkeypatch.setattr(torch_file, "_ask", ask)
    for name in "abc":
        put(tmp_path / f"{name}.pt", torch.tensor(VALUES))
    first, bad, last = scan(tmp_path)
    assert "limits of memory and time" in bad.reason
    assert isinstance(first, Found)
    assert isinstance(last, Found)


def test_links_are_not_followed_and_an_empty_folder_is_a_sentence(tmp_path):
    put(tmp_path / "outside" / "a.pt", torch.tensor(VALUES))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "a.pt").symlink_to(tmp_path / "outside" / "a.pt")
    with pytest.raises(PromptError, match="no prompt in this folder"):
        list(scan(tmp_path / "inside"))
    with pytest.raises(PromptError, match="no such folder"):
        list(scan(tmp_path / "nowhere"))


def adapter(folder, config, tensors=None):
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    if tensors is not None:
        save_file(tensors, folder / "adapter_model.safetensors")


def test_peft_folders(tmp_path):
    base = {"peft_type": "PROMPT_TUNING", "base_model_name_or_path": "google/T5-v1_1-base", "num_virtual_tokens": 4}
    adapter(tmp_path / "a", base, {"prompt_embeddings": VALUES})
    adapter(tmp_path / "b", {**base, "peft_type": "LORA"}, {"prompt_embeddings": VALUES})
    adapter(tmp_path / "c", {**base, "num_virtual_tokens": 2}, {"prompt_embeddings": VALUES})
    adapter(tmp_path / "d", base)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "adapter_config.json").write_text("[")
    good, lora, double, empty, broken = scan(tmp_path)
    assert (good.format, good.insertion, good.backbone) == ("peft", "peft", "t5-v1_1-base")
    assert np.array_equal(double.values, VALUES[:2]), "the decoder's rows, which peft never reads, are left out"
    for item, message in ((lora, "no soft prompt"), (empty, "no adapter_model"), (broken, "damaged")):
        assert message in item.reason


def test_an_adapter_that_peft_itself_loads(tmp_path):
    peft = pytest.importorskip("peft", reason="peft is not installed (it is a package of the checks in requirements.txt)")
    from transformers import AutoModelForCausalLM

    from ptlib.prompts import peft_format
    from tests.families import build

    build("gpt2", tmp_path / "gpt2")
    values = np.random.default_rng(3).normal(size=(5, 32)).astype(np.float32)
    peft_format.write(SoftPrompt(values, "p", "", "t", insertion="peft"), tmp_path / "adapter", "gpt2", str(tmp_path / "gpt2"))
    model = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "gpt2"), tmp_path / "adapter")
    assert np.array_equal(model.prompt_encoder["default"].embedding.weight.detach().numpy(), values)
    again, _ = peft_format.read(tmp_path / "adapter")
    assert np.array_equal(again, values)
    with pytest.raises(PromptError, match="another way than it was trained with"):
        peft_format.write(SoftPrompt(values, "p", "", "t"), tmp_path / "x", "roberta", "b")


def test_the_published_prompts(published):
    items = list(scan(published))
    assert [item for item in items if not isinstance(item, Found)] == []
    assert len(items) == 122
    counts = {}
    for item in items:
        counts[item.backbone, item.kind] = counts.get((item.backbone, item.kind), 0) + 1
    assert counts["roberta-large", "trained"] == 13
    assert counts["t5-small", "trained"] == 17
    assert counts["roberta-base", "projected"] == 18
    emotions = [item for item in items if item.task.startswith("emotion-")]
    assert len(emotions) == 27
    assert {item.insertion for item in emotions} == {"unknown"}
