"""What of a page has not been sent to the browser yet when a fragment of it runs again.

Streamlit 1.67 drops what the fragment itself has drawn and not sent, and keeps what fragments inside it have: on a busy machine the browser
then hears of a place without what it stands in, and goes blank ("Bad delta path index"). Nothing is dropped here; what comes later replaces it, as it
does where everything was sent in time.
"""

from __future__ import annotations

from functools import wraps

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


def keep() -> None:
    """From now on, in this server; more than once changes nothing."""
    clear = ForwardMsgQueue.clear
    if hasattr(clear, "__wrapped__"):
        return

    @wraps(clear)
    def keeping(self: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None) -> None:
        clear(self, retain_lifecycle_msgs, None if fragment_ids_this_run is None else [])

    ForwardMsgQueue.clear = keeping
