"""A fragment inside a fragment, on a machine too busy to send: its place must not reach the browser without what it stands in."""

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from dashboard import unsent


def drawn(path, fragment):
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.new_element.text.body = fragment
    message.delta.fragment_id = fragment
    return message


def paths_after(again):
    """Delta paths that are still to be sent when a fragment is about to run again, or the whole page."""
    queue = ForwardMsgQueue()
    for path, fragment in (([0, 0], "outer"), ([0, 1], "outer"), ([0, 2], "inner")):
        queue.enqueue(drawn(path, fragment))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=again)
    return [list(message.metadata.delta_path) for message in queue.flush()]


def test_nothing_is_sent_without_what_it_stands_in():
    unsent.keep()
    unsent.keep()
    assert paths_after(["outer"]) == [[0, 0], [0, 1], [0, 2]]
    assert paths_after(None) == [], "the whole page is drawn anew"
