"""What all peers share: one process that loads on demand and answers "score" and "run" in JSON lines.

Runs in OpenPrompt's environment too: the standard library, numpy and torch only.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def peak_reset() -> None:
    """Linux forgets the peak of resident memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak() -> int:
    """Bytes: the most resident memory since the last reset."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(load: Any) -> None:
    """Loop over standard input. ``load(job)`` gives an object with ``scores()`` -> (n, 2) and ``run()``."""
    # Libraries print to standard output as they like; answers have a channel of their own.
    answers, sys.stdout = sys.stdout, sys.stderr
    import torch

    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    peer = None
    for line in sys.stdin:
        order, found = json.loads(line), {}
        if order["do"] == "load":
            peer = load(order["job"])
        elif order["do"] == "scores":
            found = {"scores": [[float(value) for value in row] for row in peer.scores()], **getattr(peer, "facts", dict)()}
        elif order["do"] == "run":
            peak_reset()
            at = time.perf_counter()
            peer.run()
            found = {"seconds": time.perf_counter() - at, "peak": peak()}
            if torch.cuda.is_available():
                torch.cuda.synchronize()
                found = {"seconds": time.perf_counter() - at, "peak": torch.cuda.max_memory_allocated()}
        print(json.dumps(found), file=answers, flush=True)
