"""The authors' result files: doubly encoded, folder = target, file = source."""

import json

import pandas as pd
import pytest

from ptlib.errors import TaskError
from ptlib.published.results import COLUMNS, read_results, read_value


def put(folder, place, text):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def twice(value):
    return json.dumps(json.dumps({"acc": value}))


def test_a_checkout(tmp_path):
    put(tmp_path, "result/IMDBPromptRoberta/result_SST2PromptRoberta.json", twice(0.5))
    put(tmp_path, "result/IMDBPromptRoberta/result_random.json", twice(0.25))
    put(tmp_path, "result/IMDBPromptRoberta/result_IMDBPromptBert.json", twice(0.5029))
    put(tmp_path, "result/IMDBPromptRoberta/result_model_transfer_IMDBPromptT5.json", twice(0.75))
    put(tmp_path, "result/squadPromptT5/result_nq_openPromptT5.json", twice(0))
    put(tmp_path, "result_with_position_emb/IMDBPromptRoberta/result_SST2PromptRoberta.json", twice(0.125))
    table, refused = read_results(tmp_path)
    assert refused == []
    assert list(table.columns) == COLUMNS
    found = {(row.variant, row.kind, row.plm, row.source_plm, row.source, row.target, row.metric, row.value) for row in table.itertuples()}
    assert found == {
        ("main", "zero-shot", "roberta-base", "roberta-base", "sst2", "imdb", "accuracy", 0.5),
        ("main", "random", "roberta-base", "", "", "imdb", "accuracy", 0.25),
        ("main", "cross-model-direct", "roberta-base", "bert-base-uncased", "imdb", "imdb", "accuracy", 0.5029),
        ("main", "cross-model-projected", "roberta-base", "t5-base", "imdb", "imdb", "accuracy", 0.75),
        ("main", "zero-shot", "t5-base", "t5-base", "nq-open", "squad", "bleu_floored", 0.0),
        ("result_with_position_emb", "zero-shot", "roberta-base", "roberta-base", "sst2", "imdb", "accuracy", 0.125),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"acc": 0.5}), "encoded once, the authors' files are encoded twice"),
        (twice(1.5), r"no fraction \(found 1.5"),
        (twice(True), "no fraction"),
        (twice("0.5"), "no fraction"),
        (json.dumps(json.dumps({"f1": 0.5})), "cannot be read"),
        (json.dumps(json.dumps([0.5])), "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_a_file_of_no_use_is_a_sentence_and_the_rest_goes_on(tmp_path, text, message):
    bad = put(tmp_path, "result/IMDBPromptRoberta/result_SST2PromptRoberta.json", text)
    put(tmp_path, "result/IMDBPromptRoberta/result_IMDBPromptRoberta.json", twice(0.5))
    with pytest.raises(TaskError, match=message):
        read_value(bad)
    table, refused = read_results(tmp_path)
    assert len(table) == 1
    assert [item.path for item in refused] == [str(bad)]


def test_a_name_that_says_nothing(tmp_path):
    put(tmp_path, "result/whatever/result_x.json", twice(0.5))
    _, refused = read_results(tmp_path)
    assert "says no source and target" in refused[0].reason


def test_a_table_that_disagrees_with_its_files(tmp_path):
    head = "variant,kind,backbone,source_backbone,source,target,metric_key,metric_actual,value,file\n"
    row = "main,zero-shot,Roberta,Roberta,SST2,IMDB,acc,accuracy,{},IMDBPromptRoberta/result_SST2PromptRoberta.json\n"
    put(tmp_path, "results.csv", head + row.format(0.5) + row.format(7))
    put(tmp_path, "result/IMDBPromptRoberta/result_SST2PromptRoberta.json", twice(0.25))
    table, refused = read_results(tmp_path)
    assert list(table.value) == [0.5]
    assert "line 3" in refused[0].path
    assert "disagree" in refused[1].reason
    put(tmp_path, "results.csv", "a,b\n1,2\n")
    with pytest.raises(TaskError, match="no column 'variant'"):
        read_results(tmp_path)


def test_the_published_results(published):
    table, refused = read_results(published)
    assert refused == []
    raw = pd.read_csv(published / "results.csv")
    assert len(table) == len(raw) == 1643
    assert table.value.sum() == pytest.approx(raw.value.sum())
    main = table[(table.variant == "main") & (table.kind == "zero-shot")]
    assert main.groupby("plm").size().to_dict() == {"roberta-base": 196, "roberta-large": 169, "t5-base": 289, "t5-small": 289}
