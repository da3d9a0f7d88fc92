"""The shelf: a small library with real files of every kind, then with broken ones beside them."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ptlib.errors import PlmError, PromptError, TaskError
from ptlib.library import ZOO, Library
from ptlib.plms import describe
from ptlib.prompts import SoftPrompt, random_prompt, save

HIDDEN = 8
TOML = """name = "{name}"
type = "{type}"
fields = ["text"]
label_field = "label"
labels = ["0", "1"]
label_words = ["bad", "good"]
[splits]
test = "data/{name}.jsonl"
"""


def add_plm(folder: Path, name: str, seed: int, **card) -> str:
    home = folder / "plms" / name
    home.mkdir(parents=True)
    config = {"model_type": "roberta", "hidden_size": HIDDEN, "num_hidden_layers": 2, "intermediate_size": 32,
              "max_position_embeddings": 40, "vocab_size": 12}  # fmt: skip
    (home / "config.json").write_text(json.dumps(config))
    save_file({"words": np.random.default_rng(seed).standard_normal((12, HIDDEN), "f4")}, home / "model.safetensors")
    (home / "zoo.json").write_text(json.dumps(card))
    return describe(home).fingerprint


def add_task(folder: Path, name: str, kind: str) -> None:
    (folder / "tasks" / "data").mkdir(parents=True, exist_ok=True)
    (folder / "tasks" / f"{name}.toml").write_text(TOML.format(name=name, type=kind))
    (folder / "tasks" / "data" / f"{name}.jsonl").write_text('{"text": "it works", "label": 1}\n')


def add_prompt(folder: Path, plm: str, fingerprint: str, task: str, seed: int, hidden: int = HIDDEN) -> SoftPrompt:
    values = np.random.default_rng([seed, len(task)]).standard_normal((4, hidden), "f4")
    prompt = SoftPrompt(values, f"{task}-s{seed}", fingerprint, task, seed, meta={"steps": 3})
    save(prompt, folder / "prompts" / plm / f"{prompt.name}.safetensors")
    return prompt


@pytest.fixture
def shelf(tmp_path) -> Path:
    folder = tmp_path / "shelf"
    for number, plm in enumerate(("plm-a", "plm-b")):
        fingerprint = add_plm(folder, plm, number, default=number == 1)
        for task in ("laptop", "duty"):
            add_prompt(folder, plm, fingerprint, task, 1)
            add_prompt(folder, plm, fingerprint, task, 0)
        save(random_prompt(4, HIDDEN, 0.1, 7, fingerprint), folder / "prompts" / plm / "random-s7.safetensors")
    add_task(folder, "laptop", "sentiment")
    add_task(folder, "duty", "ethics")
    return folder


def reasons(library: Library) -> dict[str, str]:
    return {Path(refused.path).name: refused.reason for refused in library.refused}


def test_everything_whole_is_on_the_shelf(shelf):
    library = Library.open([shelf])
    assert (list(library.plms), list(library.tasks), library.refused) == (["plm-a", "plm-b"], ["duty", "laptop"], ())
    assert len(library.prompts()) == 10
    assert library.default_plm() == "plm-b"


def test_prompts_come_by_task_then_seed_with_the_random_ones_last(shelf):
    library = Library.open([shelf])
    names = [entry.name for entry in library.prompts("plm-a")]
    assert names == [f"plm-a/{name}" for name in ("duty-s0", "duty-s1", "laptop-s0", "laptop-s1", "random-s7")]
    assert [entry.name for entry in library.prompts("plm-a", ("random",))] == ["plm-a/random-s7"]
    assert library.prompts("none") == []


def test_an_entry_tells_the_prompts_story_and_loads_it(shelf):
    entry = Library.open([shelf]).prompt("plm-a/laptop-s1")
    assert (entry.plm_id, entry.task, entry.type, entry.seed, entry.kind) == ("plm-a", "laptop", "sentiment", 1, "trained")
    assert (entry.length, entry.hidden, entry.insertion, entry.meta) == (4, HIDDEN, "thunlp", {"steps": 3})
    prompt = entry.load()
    assert (prompt.digest, prompt.plm, prompt.values.shape) == (entry.digest, entry.plm, (4, HIDDEN))


def test_a_prompt_without_its_task_here_is_of_another_type(shelf):
    (shelf / "tasks" / "laptop.toml").unlink()
    library = Library.open([shelf])
    assert library.prompt("plm-a/laptop-s1").type == "other"
    assert library.prompt("plm-a/random-s7").type == "random"
    assert library.refused == ()


def test_items_are_found_by_name_and_content(shelf):
    library = Library.open([shelf])
    entry = library.prompt("plm-b/duty-s0")
    assert library.plm("plm-b").id == "plm-b"
    assert library.task("duty").type == "ethics"
    assert library.by_digest(entry.digest).digest == entry.digest


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        ("plm", PlmError, r"library: no PLM 'x' \(found plm-a, plm-b\)\. List them with: ptlib plms"),
        ("task", TaskError, r"library: no task 'x' \(found duty, laptop\)\. List them with: ptlib tasks"),
        ("prompt", PromptError, r"library: no prompt 'x' \(found plm-a/duty-s0, .* \.\.\.\)\. List them with: ptlib prompts"),
        ("by_digest", PromptError, "no prompt with digest 'x'"),
    ],
)
def test_a_name_that_is_not_here_names_some_that_are(shelf, method, error, message):
    with pytest.raises(error, match=message):
        getattr(Library.open([shelf]), method)("x")


def test_an_empty_folder_is_an_empty_library(tmp_path):
    library = Library.open([tmp_path])
    assert (library.plms, library.tasks, library.prompts(), library.refused) == ({}, {}, [], ())
    assert library.default_plm() is None
    with pytest.raises(PlmError, match="found none"):
        library.plm("x")


def test_a_folder_that_does_not_exist_is_named(tmp_path, shelf):
    library = Library.open([tmp_path / "gone", shelf])
    assert "PTLIB_LIBRARY" in reasons(library)["gone"]
    assert len(library.plms) == 2


def test_the_environment_adds_folders_to_the_zoo(shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("PTLIB_LIBRARY", os.pathsep.join([str(shelf), str(tmp_path / "gone"), ""]))
    library = Library.open()
    assert {"plm-a", "plm-b"} <= set(library.plms)
    assert "gone" in reasons(library)
    assert any(task.source.is_relative_to(ZOO) for task in library.tasks.values())


def test_the_first_folder_wins_where_two_use_a_name(shelf, tmp_path):
    other = tmp_path / "other"
    fingerprint = add_plm(other, "plm-a", seed=99)
    add_task(other, "laptop", "nli")
    add_prompt(other, "plm-a", fingerprint, "laptop", 5)
    library = Library.open([shelf, other])
    assert library.task("laptop").type == "sentiment"
    assert library.plm("plm-a").folder.is_relative_to(shelf)
    found = reasons(library)
    assert "called plm-a already" in found["plm-a"]
    assert "called laptop already" in found["laptop.toml"]
    assert "its PLM is not in the library" in found["laptop-s5.safetensors"]


def test_a_copied_plm_does_not_take_the_prompts_of_the_first(shelf):
    shutil.copytree(shelf / "plms" / "plm-a", shelf / "plms" / "plm-z")
    library = Library.open([shelf])
    assert list(library.plms) == ["plm-a", "plm-b"]
    assert "same weights as plm-a" in reasons(library)["plm-z"]
    assert len(library.prompts("plm-a")) == 5


def test_a_linked_plm_has_the_name_of_its_link(shelf, tmp_path):
    shutil.move(shelf / "plms" / "plm-a", tmp_path / "Some Model")
    (shelf / "plms" / "linked").symlink_to(tmp_path / "Some Model")
    library = Library.open([shelf])
    assert library.plm("linked").id == "linked"
    assert [entry.plm_id for entry in library.prompts("linked")] == ["linked"] * 5


def test_prompts_may_lie_in_prompts_itself(shelf):
    (shelf / "prompts" / "plm-a" / "duty-s0.safetensors").rename(shelf / "prompts" / "mine.safetensors")
    assert Library.open([shelf]).prompt("plm-a/mine").task == "duty"


def test_two_prompts_of_one_name(shelf):
    (shelf / "prompts" / "copies").mkdir()
    shutil.copy(shelf / "prompts" / "plm-a" / "duty-s0.safetensors", shelf / "prompts" / "copies")
    library = Library.open([shelf])
    assert len(library.prompts("plm-a")) == 5
    assert "another prompt has this name already" in reasons(library)["duty-s0.safetensors"]


@pytest.mark.parametrize("name", ["Plm", "a b", "-a", "a" * 65, "zwölf", "a;b"])
def test_a_name_that_cannot_be_an_id_is_refused(shelf, name):
    shutil.move(shelf / "plms" / "plm-b", shelf / "plms" / name)
    (shelf / "tasks" / "duty.toml").rename(shelf / "tasks" / f"{name}.toml")
    (shelf / "prompts" / "plm-a" / "duty-s0.safetensors").rename(shelf / "prompts" / f"{name}.safetensors")
    library = Library.open([shelf])
    found = reasons(library)
    for item in (name, f"{name}.toml", f"{name}.safetensors"):
        assert "cannot be an id (expected 64 characters at most of a-z" in found[item]
    assert (list(library.plms), list(library.tasks), len(library.prompts())) == (["plm-a"], ["laptop"], 4)


def test_hidden_and_stray_files_are_no_items(shelf):
    (shelf / "plms" / "README.md").write_text("mine")
    (shelf / "plms" / ".unfinished").mkdir()
    (shelf / "tasks" / ".laptop.toml").write_text("{")
    (shelf / "prompts" / "plm-a" / ".duty-s0.safetensors.12.part").write_bytes(b"")
    library = Library.open([shelf])
    assert library.refused == ()
    assert len(library.plms) == 2


def broken_weights(shelf: Path) -> str:
    weights = shelf / "plms" / "plm-b" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    return "plm-b: truncated"


def dangling_link(shelf: Path) -> str:
    shutil.rmtree(shelf / "plms" / "plm-b")
    (shelf / "plms" / "plm-b").symlink_to(shelf / "nowhere")
    return "plm-b: no readable file"


def remote_code(shelf: Path) -> str:
    (shelf / "plms" / "plm-b" / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    return "plm-b: never run"


def missing_data(shelf: Path) -> str:
    (shelf / "tasks" / "data" / "duty.jsonl").unlink()
    return "duty.toml: the file of split 'test' is missing"


def misnamed_task(shelf: Path) -> str:
    (shelf / "tasks" / "duty.toml").rename(shelf / "tasks" / "other.toml")
    return "other.toml: not called like its file"


def unknown_key(shelf: Path) -> str:
    (shelf / "tasks" / "duty.toml").write_text("colour = 1")
    return "duty.toml: unknown key 'colour'"


def truncated_prompt(shelf: Path) -> str:
    path = shelf / "prompts" / "plm-b" / "duty-s0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    return "duty-s0.safetensors: truncated"


def wide_prompt(shelf: Path) -> str:
    add_prompt(shelf, "plm-a", describe(shelf / "plms" / "plm-a").fingerprint, "duty", 3, hidden=HIDDEN + 1)
    return f"duty-s3.safetensors: not as wide as its PLM (found shape (4, {HIDDEN + 1}), expected (length, {HIDDEN})"


def foreign_prompt(shelf: Path) -> str:
    add_prompt(shelf, "plm-a", "0" * 64, "duty", 3)
    return "duty-s3.safetensors: its PLM is not in the library (found fingerprint 000000000000)"


def hostile_header(shelf: Path) -> str:
    text = json.dumps({"__metadata__": {"name": [], "plm": {}, "task": 1, "kind": [], "insertion": {}, "digest": None,
                                        "seed": "[]", "meta": "3"},
                       "prompt": {"dtype": "F32", "shape": [1, HIDDEN], "data_offsets": [0, 0]}})  # fmt: skip
    (shelf / "prompts" / "evil.safetensors").write_bytes(struct.pack("<Q", len(text)) + text.encode())
    return "evil.safetensors: of no use"


@pytest.mark.parametrize(
    "damage",
    [broken_weights, dangling_link, remote_code, missing_data, misnamed_task, unknown_key, truncated_prompt, wide_prompt,
     foreign_prompt, hostile_header],
)  # fmt: skip
def test_a_broken_item_is_shown_with_its_reason_and_the_rest_works_on(shelf, damage):
    item, reason = damage(shelf).split(": ", 1)
    library = Library.open([shelf])
    assert reason in reasons(library)[item]
    assert len(library.prompt("plm-a/laptop-s0").load().values) == 4
    assert library.task("laptop").read("test").labels.tolist() == [1]


def test_nan_in_a_prompt_is_found_when_it_is_loaded(shelf):
    path = shelf / "prompts" / "plm-a" / "duty-s0.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", np.nan))
    entry = Library.open([shelf]).prompt("plm-a/duty-s0")
    with pytest.raises(PromptError, match=r"duty-s0\.safetensors: the prompt holds NaN"):
        entry.load()


def test_a_prompt_exchanged_after_opening_is_noticed(shelf):
    entry = Library.open([shelf]).prompt("plm-a/duty-s0")
    raw = bytearray(entry.path.read_bytes())
    raw[-2] ^= 1
    entry.path.write_bytes(raw)
    with pytest.raises(PromptError, match="not those that were saved"):
        entry.load()


def test_the_shelf_is_read_without_torch(shelf):
    code = (
        "import sys; from pathlib import Path; from ptlib.library import Library;"
        "library = Library.open([Path(sys.argv[1])]); library.prompt('plm-a/duty-s0').load();"
        "library.task('duty').digest('test');"
        "print(sorted({'torch', 'transformers', 'sklearn', 'streamlit', 'plotly', 'umap'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(shelf)], cwd=ZOO.parents[1], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
