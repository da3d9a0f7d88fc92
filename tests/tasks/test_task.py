import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptlib.errors import TaskError
from ptlib.tasks import load_task

TOML = """
name = "laptop"
title = "Laptop reviews"
type = "sentiment"
fields = ["text"]
label_field = "label"
labels = ["0", "1", "2"]
label_words = ["bad", "fine", "good"]

[splits]
test = "data/test.jsonl"
"""
PAIRS = TOML.replace('fields = ["text"]', 'fields = ["first", "second"]')
ROWS = [{"text": "broke at once", "label": 0}, {"text": "it is {text}", "label": "2"}, {"text": "works", "label": 1}]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "data").mkdir()
    write(tmp_path, ROWS)
    (tmp_path / "laptop.toml").write_text(TOML)
    return tmp_path


def write(folder: Path, rows: list[dict]) -> None:
    (folder / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def load(folder: Path, text: str = TOML):
    (folder / "laptop.toml").write_text(text)
    return load_task(folder / "laptop.toml")


def test_a_task_is_what_its_toml_says(folder):
    task = load_task(folder / "laptop.toml")
    assert (task.name, task.title, task.type, task.description) == ("laptop", "Laptop reviews", "sentiment", "")
    assert (task.fields, task.label_field, task.template) == (("text",), "label", ("{text}",))
    assert (task.labels, task.label_words) == (("0", "1", "2"), ("bad", "fine", "good"))
    assert (task.metric, task.max_length, dict(task.splits)) == ("accuracy", None, {"test": folder / "data/test.jsonl"})


def test_rows_become_texts_and_class_numbers(folder):
    split = load_task(folder / "laptop.toml").read("test")
    assert split.texts == [("broke at once",), ("it is {text}",), ("works",)]
    assert split.labels.tolist() == [0, 2, 1]
    assert split.labels.dtype == np.int64


def test_a_limit_takes_the_first_rows(folder):
    task = load_task(folder / "laptop.toml")
    assert task.read("test", 2).texts == task.read("test").texts[:2]
    assert len(task.read("test", 99).labels) == 3


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing(folder, limit):
    with pytest.raises(TaskError, match=rf"task laptop: the limit leaves no rows \(found {limit}"):
        load_task(folder / "laptop.toml").read("test", limit)


def test_a_template_builds_the_segments(folder):
    write(folder, [{"first": "a", "second": "b", "label": "1"}])
    assert load(folder, PAIRS).read("test").texts == [("a", "b")]
    joined = load(folder, PAIRS.replace("[splits]", 'template = ["Q: {second} A: {first}"]\n[splits]'))
    assert joined.read("test").texts == [("Q: b A: a",)]


def test_whole_numbers_that_parquet_kept_as_floats_are_labels(folder):
    pd.DataFrame({"text": ["a", "b"], "label": [2.0, 0.0]}).to_parquet(folder / "data" / "test.parquet")
    task = load(folder, TOML.replace("test.jsonl", "test.parquet"))
    assert task.read("test").labels.tolist() == [2, 0]


def test_an_unknown_label_names_file_line_column_and_choices(folder):
    write(folder, [*ROWS, {"text": "hm", "label": "mixed"}])
    with pytest.raises(TaskError, match=r"line 4, column label: unknown label \(found 'mixed', expected one of \['0', '1'"):
        load_task(folder / "laptop.toml").read("test")


def test_an_unknown_split_names_those_there_are(folder):
    task = load_task(folder / "laptop.toml")
    for ask in (task.read, task.digest):
        with pytest.raises(TaskError, match=r"no split 'train' \(found \['test'\]\)"):
            ask("train")


def test_a_data_file_that_went_missing(folder):
    task = load_task(folder / "laptop.toml")
    (folder / "data" / "test.jsonl").unlink()
    with pytest.raises(TaskError, match="cannot be read"):
        task.digest("test")


def test_a_changed_file_is_read_again(folder):
    task = load_task(folder / "laptop.toml")
    before = task.digest("test")
    stamp = (folder / "data" / "test.jsonl").stat().st_mtime_ns
    write(folder, ROWS[:2])
    os.utime(folder / "data" / "test.jsonl", ns=(stamp, stamp))
    assert len(task.read("test").labels) == 2
    assert task.digest("test") != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"good"', '"great"'),
        ('["bad", "fine", "good"]', '["fine", "bad", "good"]'),
        ('["0", "1", "2"]', '["1", "0", "2"]'),
        ("[splits]", 'metric = "macro_f1"\n[splits]'),
        ("[splits]", "max_length = 32\n[splits]"),
        ("[splits]", 'template = ["Review: {text}"]\n[splits]'),
    ],
)
def test_all_that_decides_a_score_changes_the_digest(folder, old, new):
    assert load(folder, TOML.replace(old, new)).digest("test") != load(folder).digest("test")


def test_names_do_not_change_the_digest(folder):
    renamed = TOML.replace("laptop", "notebook").replace("Laptop reviews", "Notebooks").replace("sentiment", "opinion")
    assert load(folder, renamed).digest("test") == load(folder).digest("test")


def test_split_and_limit_change_the_digest(folder):
    task = load(folder, TOML + 'validation = "data/test.jsonl"\n')
    assert len({task.digest("test"), task.digest("validation"), task.digest("test", 2), task.digest("test", 1)}) == 4


rows = st.lists(st.fixed_dictionaries({"text": st.text(max_size=6), "label": st.sampled_from("012")}), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=rows, second=rows)
def test_the_digest_changes_exactly_when_the_rows_do(folder, first, second):
    digests = []
    for name, content in (("a", first), ("b", second)):
        home = folder / f"{name}{len(list(folder.iterdir()))}"
        (home / "data").mkdir(parents=True)
        write(home, content)
        digests.append(load(home).digest("test"))
    assert (digests[0] == digests[1]) == (first == second)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('type = "sentiment"', 'type = "sentiment"\ncolour = 1', r"unknown key 'colour' \(expected only \["),
        ('name = "laptop"', "", r"field name is missing or no text \(found None"),
        ('type = "sentiment"', 'type = " "', "field type is missing or no text"),
        ('title = "Laptop reviews"', "title = 5", "field title is missing or no text .found 5"),
        ('fields = ["text"]', 'fields = "text"', "field fields is not a list of texts .found 'text'"),
        ('fields = ["text"]', 'fields = ["text", "text"]', "field fields names something twice"),
        ('["bad", "fine", "good"]', '["bad", "", "good"]', "field label_words is not a list of texts"),
        ('["bad", "fine", "good"]', '["bad", " ", "good"]', "field label_words is not a list of texts"),
        ('["bad", "fine", "good"]', "[]", "field label_words is not a list of texts"),
        ('["bad", "fine", "good"]', "[1, 2, 3]", "field label_words is not a list of texts"),
        ('["bad", "fine", "good"]', '["bad", "bad", "good"]', "field label_words names something twice"),
        ('["0", "1", "2"]', '["0", "1", "1"]', "field labels names something twice"),
        ('["bad", "fine", "good"]', '["bad", "good"]', "labels and label_words do not match .found 3 labels, 2 words"),
        ("[splits]", 'metric = "f1"\n[splits]', r"unknown metric \(found 'f1', expected one of \['accuracy', 'macro_f1'"),
        ("[splits]", "max_length = 2\n[splits]", "field max_length is no usable number"),
        ("[splits]", "max_length = true\n[splits]", "field max_length is no usable number"),
        ("[splits]", 'template = ["{body}"]\n[splits]', r"names something that is no field .found 'body', expected fields"),
        ("[splits]", 'template = ["{text"]\n[splits]', "names something that is no field"),
        ("[splits]", 'template = ["{text:>9}"]\n[splits]', "names something that is no field"),
        ("[splits]", 'template = ["{text.__doc__}"]\n[splits]', "names something that is no field"),
        ("[splits]", 'template = ["{}"]\n[splits]', "names something that is no field"),
        ("[splits]", 'template = ["{text}", "{text} ", "{text}  "]\n[splits]', "a template has one or two segments"),
        ('[splits]\ntest = "data/test.jsonl"', "", r"no \[splits\]"),
        ('test = "data/test.jsonl"', "", r"no \[splits\]"),
        ('type = "sentiment"', "type = ", "not valid TOML .*line 4"),
        ('type = "sentiment"', "type = " + "[" * 20_000, "not valid TOML"),
    ],
)
def test_a_toml_of_no_use_says_which_key(folder, old, new, message):
    with pytest.raises(TaskError, match=message) as caught:
        load(folder, TOML.replace(old, new))
    assert caught.value.where == folder / "laptop.toml"


def test_three_fields_need_a_template(folder):
    three = TOML.replace('fields = ["text"]', 'fields = ["a", "b", "c"]')
    with pytest.raises(TaskError, match="one or two"):
        load(folder, three)
    assert load(folder, three.replace("[splits]", 'template = ["{a} {b}", "{c}"]\n[splits]')).template == ("{a} {b}", "{c}")


@pytest.mark.parametrize("name", ["../secret.jsonl", "data/../../secret.jsonl", "/etc/passwd", "data/\\u0000.jsonl"])
def test_a_path_that_leaves_the_folder_is_refused(folder, name):
    with pytest.raises(TaskError, match="a data file must lie in the folder of the task's TOML"):
        load(folder, TOML.replace("data/test.jsonl", name))


def test_a_link_that_leaves_the_folder_is_refused(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.jsonl"
    secret.write_text('{"text": "private", "label": "0"}\n')
    (folder / "data" / "link.jsonl").symlink_to(secret)
    with pytest.raises(TaskError, match="must lie in the folder"):
        load(folder, TOML.replace("test.jsonl", "link.jsonl"))
    (folder / "out").symlink_to(secret.parent)
    with pytest.raises(TaskError, match="must lie in the folder"):
        load(folder, TOML.replace("data/test.jsonl", "out/secret.jsonl"))


def test_a_loop_of_links_is_a_sentence(folder):
    (folder / "data" / "loop.jsonl").symlink_to(folder / "data" / "loop.jsonl")
    with pytest.raises(TaskError, match="must lie in the folder"):
        load(folder, TOML.replace("test.jsonl", "loop.jsonl"))


def test_a_split_that_is_no_path(folder):
    with pytest.raises(TaskError, match=r"must lie in the folder .*found 3"):
        load(folder, TOML.replace('"data/test.jsonl"', "3"))


def test_a_missing_toml(tmp_path):
    with pytest.raises(TaskError, match=r"none\.toml: the task cannot be read"):
        load_task(tmp_path / "none.toml")


def test_a_toml_that_is_no_text(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TaskError, match="not valid TOML"):
        load_task(tmp_path / "a.toml")
