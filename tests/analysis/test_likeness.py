import numpy as np
import pytest

from ptlib.analysis.likeness import OWN_TASK, by_type, leads_from

TASKS, TYPES = ["films", "meals", "pairs", "doubles", "pairs"], ["sentiment", "sentiment", "nli", "nli", "nli"]


def table(own, nli):
    on = np.array([[0.9, value, other, other, other] for value, other in zip(own, nli, strict=True)])
    return by_type(on, range(0, 5 * len(own), 5), TASKS, TYPES, "films")


def test_means_by_type_with_the_own_task_apart():
    found = table([0.2, 0.4], [0.3, 0.3])
    assert set(found["type"]) == {OWN_TASK, "sentiment", "nli"}
    nli = found[(found["type"] == "nli") & (found["step"] == 5)].iloc[0]
    assert (nli.value, nli.n, nli.low) == pytest.approx((0.3, 3, 0.3))
    assert np.isnan(found[found["type"] == "sentiment"].low).all()


@pytest.mark.parametrize(
    ("own", "nli", "first"),
    [
        ([0.1, 0.4, 0.5], [0.3, 0.3, 0.3], 5),
        ([0.4, 0.2, 0.5], [0.3, 0.3, 0.3], 10),
        ([0.4, 0.4], [0.3, 0.3], 0),
        ([0.4, 0.2], [0.3, 0.3], None),
    ],
)
def test_it_leads_from_where_it_stays_ahead(own, nli, first):
    assert leads_from(table(own, nli), "sentiment") == first


def test_nothing_to_compare():
    assert leads_from(table([0.1], [0.2]), "ethics") is None
