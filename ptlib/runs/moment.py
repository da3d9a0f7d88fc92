"""Time that no one can set back: what heartbeats are measured in. Imports no torch."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import psutil


def now() -> float:
    """Seconds since this machine started, the same for all its processes; the wall clock may be set, this one not."""
    # Without the constant (macOS) the monotonic clock is the machine's too.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@cache
def boot() -> str:
    """Names this start of the machine: what was said to be alive before it is not."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))
