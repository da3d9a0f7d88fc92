import numpy as np
import pytest

from ptlib.analysis.clear import FIRST, Rule
from ptlib.errors import PromptError
from ptlib.prompts import SoftPrompt
from ptlib.transfer import early
from ptlib.transfer.early import Entry, Partial, can_stop_early, order, until_clear
from ptlib.transfer.evaluate import Evaluation, Seen, evaluate


@pytest.fixture
def films(library):
    return library.task("films")


def entries_of(library, task, **more):
    return [Entry(entry.load(), entry.kind == "trained" and entry.task != task.name, entry.kind == "random", **more)
            for entry in library.prompts("tiny-1")]  # fmt: skip


def test_every_cell_ends_with_a_reason_and_its_interval_holds_the_full_score(tiny_plm, library, films):
    entries = entries_of(library, films)
    found = dict(until_clear(tiny_plm, entries, films, rule=Rule(width=0.6)))
    assert sorted(found) == list(range(len(entries)))
    partial = [place for place, result in found.items() if isinstance(result, Partial)]
    assert partial
    for place, full in enumerate(evaluate(tiny_plm, [entry.prompt for entry in entries], films)):
        result = found[place]
        if place in partial:
            assert result.reason in ("narrow", "best source")
            assert FIRST <= len(result.seen.rows) < result.total == full.n
            assert result.interval.low <= full.value <= result.interval.high
            assert np.abs(result.seen.logits - full.logits[result.seen.rows]).max() < 1e-4
        else:
            assert isinstance(result, Evaluation)
            assert result.value == full.value
            assert np.abs(result.logits - full.logits).max() < 1e-4


def test_all_prompts_see_the_same_examples_in_the_same_order(tiny_plm, library, films):
    found = [result for _, result in until_clear(tiny_plm, entries_of(library, films), films, rule=Rule(width=0.6))]
    rows = order(films)
    assert sorted(rows) == list(range(60))
    assert all(np.array_equal(result.seen.rows, rows[: len(result.seen.rows)]) for result in found if isinstance(result, Partial))
    assert np.array_equal(rows, order(films))
    assert not np.array_equal(rows, order(library.task("meals")))


def count_rows(monkeypatch, plm):
    """How many texts really go through the PLM."""
    real, passed = plm.answer_hidden, []

    def counting(inputs, *options):
        passed.append(len(inputs.embeds))
        return real(inputs, *options)

    monkeypatch.setattr(plm, "answer_hidden", counting)
    return passed


def test_finishing_exactly_evaluates_the_rest_only(tiny_plm, library, films, monkeypatch):
    entry = entries_of(library, films)[0]
    full = next(evaluate(tiny_plm, [entry.prompt], films))
    ((_, part),) = until_clear(tiny_plm, [entry._replace(contender=False)], films, rule=Rule(width=0.6))
    passed = count_rows(monkeypatch, tiny_plm)
    whole = next(evaluate(tiny_plm, [entry.prompt], films, seen=[part.seen]))
    assert sum(passed) == 60 - len(part.seen.rows)
    assert np.array_equal(whole.predictions, full.predictions)
    assert np.abs(whole.logits - full.logits).max() < 1e-4
    assert whole.seconds > part.seen.seconds
    everything = Seen(np.arange(60, dtype=np.int32), full.logits)
    passed.clear()
    assert np.array_equal(next(evaluate(tiny_plm, [entry.prompt], films, seen=[everything])).logits, full.logits)
    assert not passed


def test_what_was_read_before_a_stop_is_handed_over_and_not_read_again(tiny_plm, library, films, monkeypatch):
    entries, looks = entries_of(library, films)[:3], iter([False] * 7)
    found = dict(until_clear(tiny_plm, entries, films, rule=Rule(width=0.3), should_stop=lambda: next(looks, True)))
    assert {result.reason for result in found.values()} == {""}
    again = [entry._replace(seen=found[place].seen if place in found else None) for place, entry in enumerate(entries)]
    passed = count_rows(monkeypatch, tiny_plm)
    resumed = dict(until_clear(tiny_plm, again, films, rule=Rule(width=0.3)))
    straight_rows = sum(passed)
    passed.clear()
    straight = dict(until_clear(tiny_plm, entries, films, rule=Rule(width=0.3)))
    assert straight_rows == sum(passed) - sum(len(result.seen.rows) for result in found.values())
    for place, result in straight.items():
        assert type(resumed[place]) is type(result)
        assert resumed[place].value == result.value


def test_unfinished_cells_are_handed_over_now_and_then(tiny_plm, library, films, monkeypatch):
    entries = entries_of(library, films)[:3]
    straight = list(until_clear(tiny_plm, entries, films, rule=Rule(width=0.3)))
    assert len(straight) == 3
    monkeypatch.setattr(early, "SAVE_SECONDS", -1.0)
    found = list(until_clear(tiny_plm, entries, films, rule=Rule(width=0.3)))
    meanwhile = [result for _, result in found if isinstance(result, Partial) and not result.reason]
    assert len(meanwhile) > 3
    assert [len(result.seen.rows) for result in meanwhile[:3]] == [16, 16, 16]
    assert [result.value for _, result in found if not any(result is other for other in meanwhile)] == [
        result.value for _, result in straight
    ]


def test_rivals_are_compared_with_and_not_read(tiny_plm, library, films, monkeypatch):
    entries, rows = entries_of(library, films), order(films)
    weak = Entry(entries[0].prompt, True)
    sure = Seen(rows.astype(np.int32), np.eye(2, dtype=np.float32)[films.read("test").labels[rows]])
    passed = count_rows(monkeypatch, tiny_plm)
    found = dict(until_clear(tiny_plm, [weak, Entry(entries[1].prompt, True, seen=sure, asked=False)], films, rule=Rule(width=0.6)))
    assert list(found) == [0], "a rival that is always right ends the race"
    assert sum(passed) == len(found[0].seen.rows) < 60


def test_one_broken_prompt_leaves_the_others(tiny_plm, library, films):
    values = entries_of(library, films)[0].prompt.values.copy()
    values[2] = 3e38
    broken = Entry(SoftPrompt(values, "broken", "", "meals"), True)
    entries, heard = [broken, *entries_of(library, films)[:2]], []
    found = dict(until_clear(tiny_plm, entries, films, rule=Rule(width=0.6), on_error=lambda place, error: heard.append((place, error))))
    assert sorted(found) == [1, 2]
    assert [place for place, _ in heard] == [0]
    assert isinstance(heard[0][1], PromptError)
    with pytest.raises(PromptError, match="finite"):
        list(until_clear(tiny_plm, entries, films))


def test_only_shares_of_right_answers_can_stop_early(films):
    assert can_stop_early(films)
    assert not can_stop_early(films.__class__(**{**films.__dict__, "metric": "macro_f1"}))


def test_a_gpu_gets_more_examples_at_a_time():
    assert early.STEP["cuda"] > early.STEP["cpu"]
