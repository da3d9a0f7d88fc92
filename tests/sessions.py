"""Real browser sessions without a browser: WebSocket clients that speak streamlit's protocol and do what its page would do.

A session opens pages, and while a page asks for it runs its fragments again at their interval. The time of a page is from the request
to the end of its script, as the server answers it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
PAGES = ("", "transfer", "neurons", "correlation", "prompt_space", "shelf", "runs")


class Visit(NamedTuple):
    """One page that was opened."""

    page: str
    seconds: float
    errors: int
    """Error boxes and exceptions on it."""


class Session(threading.Thread):
    """A user who opens pages at random until told to stop."""

    def __init__(self, port: int, seed: int, think: float, query: str = "", pages: tuple[str, ...] = PAGES) -> None:
        super().__init__(daemon=True)
        self.port, self.think, self.query, self.pages, self.rng = port, think, query, pages, Random(seed)
        self.visits: list[Visit] = []
        self.fragments: list[float] = []
        """Seconds that fragments took."""
        self.largest = 0
        """Bytes of the largest message."""
        self.failure = ""
        self.stop = threading.Event()
        self._hashes: dict[str, str] = {}
        self._timers: dict[str, tuple[float, float]] = {}
        self._errors = 0
        self._words: list[str] = []

    def run(self) -> None:
        # People do not come in the same moment.
        self.stop.wait(self.think * self.rng.random())
        try:
            with connect(
                f"ws://127.0.0.1:{self.port}/_stcore/stream", subprotocols=["streamlit"], max_size=2**28, open_timeout=60
            ) as self.socket:
                self._visit("")
                while not self.stop.is_set():
                    self._look(self.think * (0.5 + self.rng.random()))
                    if not self.stop.is_set():
                        self._visit(self.rng.choice(self.pages))
        except (ConnectionClosed, TimeoutError, OSError) as error:
            self.failure = repr(error)

    def _visit(self, page: str) -> None:
        self._timers.clear()
        self._errors, started = 0, time.perf_counter()
        self._ask(page)
        self._until_finished()
        self.visits.append(Visit(page or "overview", time.perf_counter() - started, self._errors))

    def _ask(self, page: str, fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = self.query, page
        state.page_script_hash = self._hashes.get(page, "")
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        self._page = page
        self.socket.send(message.SerializeToString())

    def _until_finished(self) -> None:
        # Bounded, so that a server that hangs is a failure and no endless test.
        end = time.monotonic() + 120
        while not self._hear(end - time.monotonic()):
            pass

    def _hear(self, seconds: float) -> bool:
        data = self.socket.recv(timeout=max(0.001, seconds))
        self.largest = max(self.largest, len(data))
        message = ForwardMsg()
        message.ParseFromString(data)
        self.heard(message)
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self._hashes = {one.url_pathname: one.page_script_hash for one in message.navigation.app_pages}
            self._hashes[""] = next((one.page_script_hash for one in message.navigation.app_pages if one.is_default), "")
        elif kind == "auto_rerun":
            self._timers[message.auto_rerun.fragment_id] = (message.auto_rerun.interval, time.monotonic() + message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for name in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(name, None)
        elif kind == "new_session" and not message.metadata.run.fragment_ids:
            # As the browser does: a run of the whole page sets its timers anew.
            self._timers.clear()
        elif kind == "delta":
            element = message.delta.new_element
            what = element.WhichOneof("type")
            if what == "exception" or (what == "alert" and element.alert.format == element.alert.ERROR):
                self._errors += 1
                self._words.append(str(element)[:300])
        elif kind == "script_finished":
            return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return False

    def heard(self, message: ForwardMsg) -> None:
        """For those who want to know more of what the server says."""

    def _look(self, seconds: float) -> None:
        """Stays on the page; its fragments run as often as they ask for."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and not self.stop.is_set():
            due = [(at, name) for name, (_, at) in self._timers.items()]
            if not due or min(due)[0] > now:
                with suppress(TimeoutError):
                    self._hear(min([end, *(at for at, _ in due)]) - now)
                continue
            _, name = min(due)
            interval, _ = self._timers[name]
            self._timers[name] = (interval, time.monotonic() + interval)
            started = time.perf_counter()
            self._ask(self._page, name)
            self._until_finished()
            self.fragments.append(time.perf_counter() - started)


class Held(NamedTuple):
    """What sessions on one server saw."""

    visits: list[Visit]
    fragments: list[float]
    """Seconds that fragments took."""
    failures: list[str]
    """Why sessions broke off; empty where none did."""
    words: list[str]
    """Error boxes and exceptions on pages."""
    memory: int
    """Bytes of the page's server process at its largest."""
    cpu: float
    """Seconds of processor time that this process took."""
    largest: int
    """Bytes of the largest message."""


def hold(port: int, door: int, count: int, seconds: float, think: float = 5.0, query: str = "") -> Held:
    """Holds sessions on a server for a while, each at its own pace.

    Args:
        door: number of the process that :func:`server` started.
        think: mean seconds on a page before the next one is opened.
    """
    page = next(process for process in psutil.Process(door).children() if "streamlit" in process.cmdline())
    sessions, memory = [Session(port, number, think, query) for number in range(count)], 0
    before = sum(page.cpu_times()[:2])
    for session in sessions:
        session.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        memory = max(memory, page.memory_info().rss)
        time.sleep(0.2)
    for session in sessions:
        session.stop.set()
    for session in sessions:
        session.join(130)
    return Held([visit for session in sessions for visit in session.visits], [one for session in sessions for one in session.fragments],
                [session.failure or "never came to its end" for session in sessions if session.failure or session.is_alive()],
                [word for session in sessions for word in session._words], max(memory, page.memory_info().rss), sum(page.cpu_times()[:2]) - before,
                max(session.largest for session in sessions))  # fmt: skip


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@contextmanager
def server(folder: Path, environment: dict[str, str], module: str = "dashboard.serve"):
    """The app as ./run.sh serves it, on a port of its own; gives (port, process)."""
    port = free_port()
    log = (folder / "server.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--server.port", str(port), "--server.headless", "true"], cwd=ROOT, stdout=log, stderr=log,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}, start_new_session=True,
    )  # fmt: skip
    try:
        until_healthy(port, process)
        yield port, process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        log.close()


def until_healthy(port: int, process: subprocess.Popen | None = None, seconds: float = 60) -> None:
    """Waits for the server. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (process is None or process.poll() is None):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            if re.match(b"ok", answer.read()):
                return
        time.sleep(0.1)
    raise TimeoutError("the server did not come up")
