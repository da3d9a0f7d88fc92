"""The paper's 17 tasks and what a TOML can say beyond one file and one word a label."""

import json
import sys

import pytest

from ptlib.errors import TaskError
from ptlib.library import ZOO, Library
from ptlib.prompts.thunlp_format import TASKS
from ptlib.tasks import load_task
from ptlib.tasks.catalogue import catalogue
from ptlib.tasks.check import check

DIGESTS = ("4aaa5bc98466eaa3", "5f404d8cf7f60346")
TOML = """
name = "t"
type = "sentiment"
fields = ["text"]
label_field = "label"
labels = ["0", "1"]
label_words = ["bad", "good"]
"""


def test_the_17_tasks_in_six_types():
    tasks = catalogue()
    assert len(tasks) == 17
    assert [
        sum(task.type == kind for task in tasks.values())
        for kind in ("sentiment", "nli", "ethics", "paraphrase", "question answering", "summary")
    ] == [6, 3, 2, 2, 2, 2]
    assert {TASKS[task.published] for task in tasks.values()} == set(tasks)
    assert set(TASKS.values()) - set(tasks) == {"recastner"}


@pytest.mark.parametrize(
    ("name", "family", "ids"),
    [
        ("mnli", "roberta", (2362, 12516, 10932)), ("mnli", "bert", (2053, 8699, 2748)), ("mnli", "t5", (27252, 7163, 3)),
        ("ethics-justice", "roberta", (897, 32047)), ("semeval-laptop", "t5", (2841, 8107, 1465, 4129)), ("mrpc", "bert", (6270, 2995)),
    ],
)  # fmt: skip
def test_the_rows_of_the_output_layer_are_the_authors(name, family, ids):
    task = catalogue()[name].for_family(family)
    assert task.label_ids == ids
    assert len(task.label_words) == len(task.labels) == len(ids)


def test_nothing_is_fetched_for_a_look():
    assert not any(task.here("test") for task in catalogue().values())


def test_no_result_of_the_zoo_lost_its_key():
    """What tasks can say since does not count where it is not said; written down before it could be."""
    zoo = Library.open([ZOO])
    assert zoo.task("laptop").digest("test")[:16] == DIGESTS[0]
    assert zoo.task("nli-genre").digest("test", 100)[:16] == DIGESTS[1]


def write(folder, more="", data='{"text": "fine", "label": 1}\n{"text": "{mask} poor", "label": -1}\n', head=TOML):
    (folder / "test.jsonl").write_text(data)
    path = folder / "t.toml"
    path.write_text(head + more + '\n[splits]\ntest = "test.jsonl"\n')
    return path


def test_a_family_can_be_told_something_else(tmp_path):
    path = write(tmp_path, 'drop_labels = ["-1"]\nmax_length = 9\n[families.t5]\ntemplate = ["say: {text} {mask}"]\nlabel_words = ["no", "yes"]\n'
                 'label_rule = "first"\n[families.bert]\nlabel_ids = [7, 3]\n')  # fmt: skip
    task = load_task(path)
    t5, bert = task.for_family("t5"), task.for_family("bert")
    assert (t5.label_words, t5.label_rule, t5.max_length) == (("no", "yes"), "first", 9)
    assert (bert.label_words, bert.label_ids, bert.label_rule) == (("bad", "good"), (7, 3), "one")
    assert task.for_family("gpt2") is task
    assert t5.read("test").texts == [("say: fine {mask}",)]
    assert len({item.digest("test") for item in (task, t5, bert)}) == 3


def test_a_text_that_says_mask_does_not_move_the_answer(tmp_path):
    task = load_task(write(tmp_path, 'template = ["{text} {mask}"]\nlabel_map = { "-1" = "0" }\n'))
    assert task.read("test").texts[1] == ("{ mask } poor {mask}",)
    assert task.read("test").labels.tolist() == [1, 0]


def test_free_text_answers(tmp_path):
    head = 'name = "t"\ntype = "qa"\nfields = ["text"]\nanswer_field = "answers"\nmetric = "f1"\nmax_new_tokens = 5\n'
    rows = [
        {"text": "a", "answers": ["x", "y"]},
        {"text": "b", "answers": "z"},
        {"text": "c", "answers": {"text": ["v"], "answer_start": [0]}},
    ]
    task = load_task(write(tmp_path, data="".join(json.dumps(row) + "\n" for row in rows), head=head))
    assert task.generates
    assert task.read("test").references == [("x", "y"), ("z",), ("v",)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("label_ids = [1]", "not one token id a label"),
        ("label_ids = [1, 1]", "not one token id a label"),
        ('label_rule = "last"', "unknown label_rule"),
        ('label_map = { a = "7" }', "leads to something that is no label"),
        ('metric = "rouge1"', "unknown metric"),
        ("max_new_tokens = 3", "no usable number of tokens"),
        ('template = ["{mask} {text} {mask}"]', "no field"),
        ("[families.xlnet]\nmax_length = 5", "no family"),
        ("[families.t5]\nwords = 5", "unknown key 'words'"),
        ('[families.t5]\nlabel_words = ["a", "b", "c"]', "do not match"),
    ],
)
def test_what_a_toml_cannot_say(tmp_path, more, message):
    with pytest.raises(TaskError, match=message):
        load_task(write(tmp_path, more))


@pytest.mark.parametrize("place", ['{ hub = "x" }', '{ hub = "x", split = "" }', '{ hub = "x", split = "y", code = "z" }', "7"])
def test_a_split_that_is_none(tmp_path, place):
    (tmp_path / "t.toml").write_text(TOML + f"[splits]\ntest = {place}\n")
    with pytest.raises(TaskError, match=r"split of the hub|must lie in the folder"):
        load_task(tmp_path / "t.toml")


def test_a_data_set_of_the_hub_is_read_through_datasets(tmp_path):
    """A local folder goes the same way as a hub id."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "validation.csv").write_text("text,label\nfine,1\npoor,0\n")
    (tmp_path / "t.toml").write_text(TOML + f'[splits]\ntest = {{ hub = "{tmp_path / "set"}", split = "validation" }}\n')
    task = load_task(tmp_path / "t.toml")
    assert task.here("test")
    assert task.read("test").texts == [("fine",), ("poor",)]
    assert task.read("test", 1).labels.tolist() == [1]
    for old, new, message in (('"validation"', '"test"', "cannot be read"), ('["text"]', '["texts"]', "no column 'texts'")):
        (tmp_path / "t.toml").write_text((tmp_path / "t.toml").read_text().replace(old, new))
        with pytest.raises(TaskError, match=message):
            load_task(tmp_path / "t.toml").read("test")
        (tmp_path / "t.toml").write_text((tmp_path / "t.toml").read_text().replace(new, old))


def test_a_data_set_that_is_not_here_says_what_to_do():
    with pytest.raises(TaskError, match=r"stanfordnlp/imdb.*hub"):
        catalogue()["imdb"].read("test")


def test_without_datasets_it_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TaskError, match="package datasets, which is not installed"):
        catalogue()["imdb"].read("train")


def test_check_says_everything_at_once_with_lines(tmp_path):
    path = write(tmp_path, 'metric = "speed"\nlabel_rule = "x"\nwhat = 1\n')
    found = {(item.line, item.sentence.split(":")[1].split("(")[0].strip()) for item in check(path)}
    assert found == {(8, "unknown metric"), (9, "unknown label_rule"), (10, "unknown key 'what'")}
    path = write(tmp_path, data='{"text": "a", "label": 1}\n{"label": 1}\n{"text": "b", "label": 5}\n{"text": "c", "label": 0}\n')
    assert [(item.file.name, item.line) for item in check(path)] == [("test.jsonl", 2), ("test.jsonl", 3)]
    assert check(write(tmp_path, data='{"text": "a", "label": 1}\n')) == []
    path.write_text("a = [")
    assert "not valid TOML" in check(path)[0].sentence
    assert "cannot be read" in check(tmp_path / "no.toml")[0].sentence


def test_many_bad_rows_are_counted(tmp_path):
    found = check(write(tmp_path, data='{"text": "a", "label": 9}\n' * 50))
    assert len(found) == 21
    assert found[-1].sentence == "and 30 more rows"
