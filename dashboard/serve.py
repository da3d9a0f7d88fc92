"""What ./run.sh starts: the page's server and, while there is work, the workers; both watched, and none left behind.

``python -m dashboard.serve [OPTIONS]``; options go to streamlit. A server that is killed is started again. Workers run on while
another server watches the same cache.
"""

from __future__ import annotations

import ctypes
import fcntl
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from ptlib.errors import PtlibError
from ptlib.runs import supervise
from ptlib.store import Store

LOOK_SECONDS = 1.0
END_SECONDS = 5.0
"""From asking the page's server to end to killing it."""
MOST_STARTS, WITHIN_SECONDS = 5, 60.0
"""A server that dies more often than this is not started again."""
PARENT_DEATH = 1
"""Linux: PR_SET_PDEATHSIG."""


def command(options: list[str]) -> list[str]:
    """The page's server."""
    app = Path(__file__).parent / "app.py"
    return [sys.executable, "-m", "streamlit", "run", str(app), "--server.address", "127.0.0.1", *options]


def start(options: list[str]) -> subprocess.Popen:
    """Starts the page's server; it ends with this process, however that ends."""
    return subprocess.Popen(command(options), preexec_fn=_follow if sys.platform == "linux" else None, start_new_session=True)


def _follow() -> None:
    ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)


class Watch:
    """The cache's workers, kept going while there is work."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self._lock: IO | None = None
        self._said = ""

    def look(self) -> None:
        """Starts and ends workers as needed; what hinders it is said once."""
        try:
            if self.store is None:
                self.store = Store()
                self._lock = (self.store.folder / "server.lock").open("w")
                fcntl.flock(self._lock, fcntl.LOCK_SH)
            supervise.keep_going(self.store)
            self._said = ""
        except (PtlibError, OSError) as error:
            if str(error) != self._said:
                self._said = str(error)
                print(f"run.sh: {error}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Ends the workers, unless another server watches this cache."""
        if self.store is None or self._lock is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        with suppress(PtlibError):
            supervise.end_workers(self.store)


def end(server: subprocess.Popen) -> None:
    """Ends the page's server and what it started."""
    below = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    # What the workers do is theirs to end: they give their cells back first.
    below = [process for process in below if not is_worker(process)]
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(END_SECONDS)
    for process in below:
        with suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(below, END_SECONDS)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    if server.poll() is None:
        server.kill()
        server.wait()


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker, or was started by one."""
    with suppress(psutil.Error):
        return any("ptlib.runs.worker" in one.cmdline() for one in [process, *process.parents()])
    return False


def main(options: list[str]) -> int:
    """Serves until a signal, or until the server ends by itself; returns its exit code."""
    stop, watch, starts = threading.Event(), Watch(), []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    server = start(options)
    while not stop.wait(LOOK_SECONDS):
        watch.look()
        if server.poll() is None:
            continue
        starts = [at for at in starts if time.monotonic() - at < WITHIN_SECONDS] + [time.monotonic()]
        if server.returncode >= 0 or len(starts) > MOST_STARTS:
            watch.end()
            return abs(server.returncode)
        print("run.sh: the page's server was killed; it is started again", file=sys.stderr, flush=True)
        server = start(options)
    end(server)
    watch.end()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
