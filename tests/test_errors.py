import pytest

from ptlib.errors import PlmError, PromptError, PtlibError, RunError, StoreError, TaskError


def test_a_message_names_place_fault_and_remedy_in_one_line():
    error = PtlibError("no column 'text'", where="a.csv, line 3", found="['body']", expected="text", mend="Rename it.")
    assert str(error) == "a.csv, line 3: no column 'text' (found ['body'], expected text). Rename it."
    assert (error.what, error.where, error.found, error.mend) == ("no column 'text'", "a.csv, line 3", "['body']", "Rename it.")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PtlibError("stopped"), "stopped."),
        (PtlibError("really?"), "really?"),
        (PtlibError("too long", found=0), "too long (found 0)."),
        (PtlibError("no file", mend="Copy it."), "no file. Copy it."),
    ],
)
def test_parts_that_are_not_known_leave_no_trace(error, message):
    assert str(error) == message


@pytest.mark.parametrize("kind", [PlmError, PromptError, TaskError, StoreError, RunError])
def test_one_except_clause_catches_every_error_of_the_library(kind):
    with pytest.raises(PtlibError, match=r"here: broken\."):
        raise kind("broken", where="here")
