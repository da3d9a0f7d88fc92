"""A page that is changed before the browser has drawn the first one's controls: on a slow line that is seconds."""

from pathlib import Path

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.sessions import Session, server


class Early(Session):
    """A browser that knows of no control yet, and therefore tells the server of none."""

    def __init__(self, port: int) -> None:
        super().__init__(port, 0, 0)
        self.said: list[str] = []
        self.address = ""

    def opened(self, page: str, query: str) -> None:
        self.query, self.said = query, []
        self._visit(page)

    def heard(self, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "page_info_changed":
            self.address = message.page_info_changed.query_string
        element = message.delta.new_element
        self.said += [element.markdown.body, element.alert.body]


@pytest.mark.parametrize("page", ["transfer", "correlation"])
def test_what_a_link_asked_for_is_still_asked_for(page, tmp_path):
    asked = "plm=zoo-128-s1&seeds=1&tasks=laptop&tasks=duty&tasks=nli-scene&tasks=restaurant&n=25&image=PNG"
    with server(Path(tmp_path), {"PTLIB_CACHE": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "home")}) as (port, _):
        browser = Early(port)
        with connect(
            f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=2**28, open_timeout=60
        ) as browser.socket:
            browser.opened("", asked)
            first = [line for line in browser.said if line.startswith("PLM **")]
            assert "zoo-128-s1" in first[0], first
            assert "4 target tasks" in first[0], first
            browser.opened(page, "")
    second = [line for line in browser.said if line.startswith("PLM **")]
    assert [line.split(" · ")[:-1] for line in second] == [line.split(" · ")[:-1] for line in first[:1]]
    assert sorted(browser.address.split("&")) == sorted(asked.split("&"))
    assert not [line for line in browser.said if "default value" in line]
