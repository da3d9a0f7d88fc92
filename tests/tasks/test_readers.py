import json
from pathlib import Path

import pandas as pd
import pytest

from ptlib.errors import TaskError
from ptlib.tasks.readers import read_rows

COLUMNS = ("text", "label")
ROWS = [{"text": 'it said "hi", twice', "label": "yes"}, {"text": "zwölf\nZeilen", "label": "no"}]


def write(path: Path) -> Path:
    table = pd.DataFrame(ROWS)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    else:
        table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "A.CSV"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    assert [row for _, row in read_rows(write(tmp_path / name), COLUMNS)] == ROWS


@pytest.mark.parametrize(("name", "text"), [("a.csv", "text,label\nhi,yes\n"), ("a.jsonl", '{"text": "hi", "label": "yes"}\n')])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_rows(tmp_path / name, COLUMNS)[0][1] == {"text": "hi", "label": "yes"}


def test_line_numbers_are_those_of_an_editor(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "x"}\n\n{"text": "b", "label": "x"}\n')
    assert [number for number, _ in read_rows(tmp_path / "a.jsonl", COLUMNS)] == [1, 3]
    (tmp_path / "a.csv").write_text("text,label\na,x\nb,x\n")
    assert [number for number, _ in read_rows(tmp_path / "a.csv", COLUMNS)] == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "body,label\nhi,yes\n", r"a\.csv, line 2: no column 'text' \(found columns \['body', 'label'\]\)"),
        ("a.tsv", "text,label\nhi,yes\n", "no column 'text'"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', r"line 2: no column 'label' .*'text'"),
        ("a.jsonl", '{"text": null, "label": "x"}\n', r"line 1: no value in column 'text'\. Complete or remove"),
        ("a.csv", "text,label\nhi\n", "line 2: no value in column 'label'"),
        ("a.csv", "label,text\nyes,good, very good\n", r"line 2: more cells than columns \(found 3 cells, expected 2\)"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n', r"line 2: not valid JSON .*one JSON object a line"),
        ("a.jsonl", "[1, 2]\n", "line 1: not a JSON object .found list"),
        ("a.jsonl", "[" * 100_000, "line 1: not valid JSON"),
        ("a.csv", "", r"the data file is empty \(expected at least one row\)"),
        ("a.csv", "text,label\n", "the data file is empty"),
        ("a.jsonl", "\n \n", "the data file is empty"),
        ("a.xlsx", "x", r"unknown kind of data file \(found \.xlsx, expected \.csv, \.tsv, \.jsonl, \.parquet\)"),
        ("a", "x", "unknown kind of data file .found no ending"),
        ("a.parquet", "x", "not a readable Parquet file"),
    ],
)
def test_a_file_of_no_use_says_what_and_where(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(TaskError, match=message) as caught:
        read_rows(tmp_path / name, COLUMNS)
    assert str(tmp_path / name) in str(caught.value)


def test_a_parquet_null_is_no_value(tmp_path):
    pd.DataFrame({"text": ["a", None], "label": ["x", "x"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(TaskError, match="line 2: no value in column 'text'"):
        read_rows(tmp_path / "a.parquet", COLUMNS)


def test_an_empty_parquet_file(tmp_path):
    pd.DataFrame({"text": [], "label": []}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(TaskError, match="empty"):
        read_rows(tmp_path / "a.parquet", COLUMNS)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(TaskError, match=rf"{name}: the data file cannot be read .*Check the path in the task's TOML"):
        read_rows(tmp_path / name, COLUMNS)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_in_another_encoding(tmp_path, name):
    (tmp_path / name).write_bytes("text,label\nzwölf,yes\n".encode("latin-1"))
    with pytest.raises(TaskError, match=r"cannot be read .*the file is UTF-8"):
        read_rows(tmp_path / name, COLUMNS)


def test_a_folder_instead_of_a_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(TaskError, match="cannot be read"):
        read_rows(tmp_path / "a.csv", COLUMNS)
