"""What a worker holds while it lives: a locked file that says it is alive, and what hinders it. Imports no torch.

The file beats even while the database cannot be written, and its words need no free space on the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ptlib.runs import moment

SIZE = 1024


class Lane:
    """One device of one engine, or a numbered share of it."""

    def __init__(self, folder: Path, engine: str, device: str | None, number: int = 1) -> None:
        self.engine, self.device = engine, device
        self.name = re.sub(r"[^a-z0-9-]", "-", f"{engine}-{device or 'auto'}-{number}".lower())
        self.path = path_of(folder, self.name)
        self._file = None

    def take(self) -> bool:
        """Whether the lane is this process's now; no other process can take it until this one ends.

        Raises:
            OSError: the file cannot be made.
        """
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            return False
        with suppress(OSError):
            os.pwrite(self._file, b" " * SIZE, 0)
        return True

    def beat(self) -> None:
        """Says that its owner is alive."""
        with suppress(OSError):
            os.utime(self._file, (moment.now(), moment.now()))

    def trouble(self, sentence: str) -> None:
        """Says what hinders its owner; empty where nothing does."""
        with suppress(OSError):
            os.pwrite(self._file, sentence.encode()[:SIZE].ljust(SIZE), 0)
            self.beat()


def path_of(folder: Path, name: str) -> Path:
    """The file of a lane."""
    return folder / f"worker-{name}.lock"


def last_beat(folder: Path, worker: str) -> float:
    """When a worker (by id, which starts with its lane's name) last said that it is alive; 0 where it never did."""
    with suppress(OSError):
        return path_of(folder, worker.split(".")[0]).stat().st_mtime
    return 0.0


def troubles(folder: Path) -> Iterator[tuple[str, str]]:
    """(lane, what hinders its owner) of every lane that is owned and hindered."""
    for path in sorted(folder.glob("worker-*.lock")):
        with suppress(OSError):
            sentence = path.read_bytes().decode(errors="ignore").strip()
            if sentence and held(path):
                yield path.stem.removeprefix("worker-"), sentence


def held(path: Path) -> bool:
    """Whether a living process holds a lane's file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
