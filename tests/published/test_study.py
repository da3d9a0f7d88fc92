"""An import in the library: a study of its own, computable where it can be, and said where it cannot."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptlib.errors import PromptError, RunError
from ptlib.library import Library
from ptlib.published.bring import bring
from ptlib.published.scores import has_scores, scores
from ptlib.runs import api, plan, progress, select
from ptlib.runs.study import load_study
from ptlib.store import Store
from tests.hands import evaluate

TASKS = ("IMDB", "SST2", "MNLI", "snli", "QQP", "MRPC")


def checkout(folder):
    """A small authors' checkout: six tasks on RoBERTa-base, random and cross-model rows."""
    rng = np.random.default_rng(0)
    for number, target in enumerate(TASKS):
        path = folder / "task_prompt_emb" / f"{target}PromptRoberta" / "task_prompt"
        path.parent.mkdir(parents=True)
        torch.save(torch.tensor(rng.normal(size=(5, 768)).astype(np.float32) + number // 2), path)
        place = folder / "result" / f"{target}PromptRoberta"
        place.mkdir(parents=True)
        for other, source in enumerate(TASKS):
            value = 0.9 if source == target else 0.8 if number // 2 == other // 2 else 0.4 + 0.01 * other
            (place / f"result_{source}PromptRoberta.json").write_text(json.dumps(json.dumps({"acc": value})))
        (place / "result_random.json").write_text(json.dumps(json.dumps({"acc": 0.3})))
        (place / f"result_model_transfer_{target}PromptT5.json").write_text(json.dumps(json.dumps({"acc": 0.6})))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PTLIB_LIBRARY", "")
    found = bring(checkout(tmp_path / "checkout"), tmp_path / "cache" / "imports" / "authors")
    assert (found.prompts, found.results, found.refused) == (6, 48, [])
    return tmp_path / "cache"


def test_scores_are_published_ones_and_say_so(cache):
    library = Library.open()
    assert has_scores(library, "roberta-base")
    assert library.tasks_for("roberta-base", published=True) == ["imdb", "sst2", "mnli", "snli", "mrpc", "qqp"]
    table = scores(library, "roberta-base", ["imdb", "mnli"], ["imdb", "sst2"])
    assert table[(table.source == "sst2") & (table.target == "imdb")].value.item() == 0.8
    assert set(table.kind) == {"own", "zero-shot", "random", "projected"}
    assert table.n.isna().all()
    assert table[(table.source == "sst2") & (table.target == "imdb")].relative.item() == pytest.approx(0.8 / 0.9)


def test_every_indicator_but_on(cache):
    library, store = Library.open(), Store(cache)
    study = load_study(store, library, "roberta-base", published=True)
    assert study.transfer.shape == (1, 6, 6)
    assert np.isfinite(study.transfer).all()
    assert study.random.shape == (1, 6)
    assert (study.random == 0.3).all()
    assert study.inert == (0,)
    table = api.correlate("roberta-base", published=True, store=store, library=library).set_index("name")
    assert "ON" not in table.index
    assert table.loc["same_type", "value"] > 0.7
    measured = load_study(store, library, "roberta-base")
    assert measured.transfer.size == 0, "published scores are never taken for measured ones"


def test_what_needs_the_weights_is_refused_with_the_command(cache):
    library, store = Library.open(), Store(cache)
    selection = select(library, "roberta-base", tasks=["imdb"])
    with pytest.raises(RunError, match=r"roberta-base: the PLM's weights are not here.*ptlib plms add roberta-base"):
        api.stimulations(store, library, selection, "test")
    cells = [cell for cell in plan(library, select(library, "roberta-base", tasks=[])) if cell.kind == "stimulation"]
    (_, error), *_ = evaluate(store, library, cells[:1])
    assert "weights are not here" in error
    assert progress.all_progress(store) == []


def test_the_weights_arrive_and_the_prompts_are_theirs(cache, tmp_path, monkeypatch):
    from transformers import RobertaConfig, RobertaForMaskedLM

    from tests.families import _tokenizer

    folder = tmp_path / "mine" / "plms" / "roberta-base"
    _tokenizer("roberta").save_pretrained(folder)
    RobertaForMaskedLM(RobertaConfig(vocab_size=30, hidden_size=768, num_hidden_layers=1, num_attention_heads=4, intermediate_size=16,
                                     max_position_embeddings=40, type_vocab_size=1, pad_token_id=1)).save_pretrained(folder)  # fmt: skip
    monkeypatch.setenv("PTLIB_LIBRARY", str(tmp_path / "mine"))
    library = Library.open()
    assert library.plm("roberta-base").here
    entry = library.prompt("roberta-base/imdb")
    assert entry.plm == library.plm("roberta-base").fingerprint
    selection = select(library, "roberta-base", baselines=False)
    cells = [cell for cell in plan(library, replace(selection, tasks=())) if cell.kind == "stimulation"]
    store = Store(cache)
    assert all(error is None for _, error in evaluate(store, library, cells))
    study = load_study(store, library, "roberta-base", published=True)
    assert study.active.shape == (1, 6, 1, 16)
    assert "ON" in study.similarities()


def test_an_import_is_replaced_as_a_whole_and_bad_ones_leave_it(cache, tmp_path):
    place = cache / "imports" / "authors"
    (tmp_path / "empty").mkdir()
    with pytest.raises(PromptError, match="nothing in this folder could be used"):
        bring(tmp_path / "empty", place)
    assert len(list(place.glob("prompts/*/*.safetensors"))) == 6
    assert [path.name for path in place.parent.iterdir()] == ["authors"]


def test_plain_prompts_need_a_plm(tmp_path):
    torch.save(torch.randn(3, 8), tmp_path / "p.pt")
    (tmp_path / "in").mkdir()
    (tmp_path / "p.pt").rename(tmp_path / "in" / "p.pt")
    with pytest.raises(PromptError, match=r"does not say which PLM the prompt is for. Name it with --plm"):
        bring(tmp_path / "in", tmp_path / "out")
    assert bring(tmp_path / "in", tmp_path / "out", plm="my-plm", insertion="openprompt").prompts == 1


def test_what_an_import_refused_stays_in_sight(cache, tmp_path):
    (tmp_path / "checkout" / "task_prompt_emb" / "SST2PromptRoberta" / "task_prompt").write_bytes(b"no torch file")
    bring(tmp_path / "checkout", cache / "imports" / "authors")
    (item,) = Library.open().refused
    assert item.path.endswith("SST2PromptRoberta/task_prompt")
    assert "torch file" in item.reason


def test_a_damaged_import_is_said(cache):
    (cache / "imports" / "authors" / "results.csv").write_text("a,b\n1,2\n")
    library = Library.open()
    assert any("import is damaged" in item.reason for item in library.refused)
    assert "zoo-64-s1" in library.plms


def test_the_published_study(published, tmp_path, monkeypatch):
    """The paper's own figures, from its authors' files: same against other types (RoBERTa-base .81 / .57, T5-base .83 / .50)."""
    from ptlib.analysis import relative

    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path))
    assert bring(published, tmp_path / "imports" / "published").prompts == 122
    library = Library.open()
    assert library.refused == ()
    assert {name: len(library.tasks_for(name, published=True)) for name in ("roberta-base", "roberta-large", "t5-base", "t5-small")} == {
        "roberta-base": 13, "roberta-large": 13, "t5-base": 17, "t5-small": 17}  # fmt: skip
    for plm, same, other in (
        ("roberta-base", 0.81, 0.57),
        ("roberta-large", 0.76, 0.53),
        ("t5-base", 0.83, 0.50),
        ("t5-small", 0.79, 0.48),
    ):
        study = load_study(Store(tmp_path), library, plm, published=True)
        assert np.isfinite(study.transfer).all()
        effect = relative.type_effect(study.transfer, study.types)
        assert (round(effect.same.value, 2), round(effect.other.value, 2)) == (same, other)
    assert "collapsed" in library.flags["roberta-base/imdb-from-t5-base"]
    assert "all but zero" in library.flags["t5-base/random"]


def test_ten_thousand_prompts_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("ptlib.published.bring.MOST", 5)
    for number in range(9):
        (tmp_path / "in").mkdir(exist_ok=True)
        torch.save(torch.randn(3, 8), tmp_path / "in" / f"p{number}.pt")
    found = bring(tmp_path / "in", tmp_path / "out", plm="my-plm")
    assert found.prompts == 5
    assert "the first 5 were taken" in found.refused[-1].reason


def test_one_matrix_of_several_names_is_one_prompt(tmp_path):
    from ptlib.plms.describe import HUB

    values = torch.randn(3, 768)
    for task in ("IMDB", "SST2"):
        place = tmp_path / "in" / f"{task}PromptRoberta"
        place.mkdir(parents=True)
        torch.save(values, place / "task_prompt")
    assert bring(tmp_path / "in", tmp_path / "cache" / "authors").copies == 1
    library = Library.open([tmp_path / "cache" / "authors"])
    assert {entry.plm for entry in library.entries} == {f"{HUB}roberta-base"}
    assert len({entry.digest for entry in library.entries}) == 1
    assert "collapsed onto sst2" in library.flags["roberta-base/imdb"]
