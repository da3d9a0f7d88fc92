"""The helper process beside the page: what fails or dies in it costs nobody else anything."""

import os
import time

import pytest
from loky.process_executor import TerminatedWorkerError

from dashboard.background import Background


@pytest.fixture
def helper():
    made = Background()
    yield made
    made.close()


def test_what_failed_is_tried_again_and_what_others_wait_for_goes_on(helper):
    failed = helper.get("bad", int, "no number")
    waiting = helper.get("slow", time.sleep, 0.5)
    with pytest.raises(ValueError, match="no number"):
        failed.result(60)
    helper.forget("bad")
    assert waiting.result(60) is None
    assert helper.get("slow", time.sleep, 0.5) is waiting
    assert helper.get("bad", int, "7").result(60) == 7


def test_a_helper_that_died_is_replaced(helper):
    died = helper.get("dies", os.abort)
    with pytest.raises(TerminatedWorkerError):
        died.result(60)
    helper.forget("dies")
    assert helper.get("next", int, "7").result(60) == 7
