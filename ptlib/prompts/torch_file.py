"""Opens torch files (``.pt``, ``.pkl``, ``task_prompt``) without running what they hold.

A file is opened once, with ``weights_only=True``, by a child process (``python -m ptlib.prompts.torch_file OUT``) whose
memory and time are limited; its matrices come back as plain arrays. There is no other way in.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ptlib.errors import PromptError

MAX_FILE_BYTES = 8 * 2**30
MAX_MATRIX_BYTES = 64 * 2**20
MORE_MEMORY = 12 * 2**30
"""Address space that the child may take beyond what torch itself takes."""
START_SECONDS, FILE_SECONDS = 120.0, 30.0
NAMED = re.compile(r"(^|[._])(soft_embed(s|ding)?|prompt_embeddings|best_prompt|prompt)([._]|$)")
"""Tensors that are prompts, in files that hold many."""


class Matrix(NamedTuple):
    """A matrix found in a file."""

    name: str
    """Its key; empty where the file is the tensor itself."""
    values: np.ndarray
    """(rows, columns) float32"""


class Opened(NamedTuple):
    """What one file gave."""

    path: Path
    matrices: list[Matrix]
    numbers: dict[str, float]
    """Single numbers stored beside them, such as ``best_acc``."""
    error: PromptError | None


def read(paths: Sequence[Path]) -> Iterator[Opened]:
    """Opens files one after the other in one child process; a file that kills or stalls it is refused, the rest goes on."""
    todo = list(paths)
    while todo:
        for found in _one_child(list(todo)):
            todo.pop(0)
            yield found


def _refusal(path: Path, what: str, found: object = None) -> Opened:
    return Opened(path, [], {}, PromptError(what, where=path, found=found, expected="a torch file of plain tensors",
                                            mend="Save the prompt's tensor alone with torch.save, or as safetensors."))  # fmt: skip


def _one_child(paths: list[Path]) -> Iterator[Opened]:
    """Results in order, up to and including the file at which the child ended."""
    with tempfile.TemporaryDirectory(prefix="ptlib-") as out:
        env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
        }
        child = subprocess.Popen([sys.executable, "-m", "ptlib.prompts.torch_file", out], env=env, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)  # fmt: skip
        try:
            if _line(child, START_SECONDS) is None:
                raise PromptError("torch files cannot be opened here", where=paths[0], found="the reading process did not start",
                                  mend="Check that torch can be imported and that there is free memory.")  # fmt: skip
            for number, path in enumerate(paths):
                answer = _ask(child, number, path)
                if answer is None:
                    yield _refusal(path, "the file could not be read within the limits of memory and time")
                    return
                if "error" in answer:
                    yield _refusal(path, answer["error"], answer.get("found"))
                else:
                    arrays = Path(out) / f"{number}.npz"
                    with np.load(arrays, allow_pickle=False) as held:
                        matrices = [Matrix(name, held[f"a{place}"]) for place, name in enumerate(answer["names"])]
                    arrays.unlink()
                    yield Opened(path, matrices, answer["numbers"], None)
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()


def _ask(child: subprocess.Popen, number: int, path: Path) -> dict[str, Any] | None:
    try:
        child.stdin.write(json.dumps([number, str(path)]) + "\n")
        child.stdin.flush()
    except OSError:
        return None
    line = _line(child, FILE_SECONDS)
    return None if line is None else json.loads(line)


def _line(child: subprocess.Popen, seconds: float) -> str | None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([child.stdout], [], [], left)
        if ready:
            return child.stdout.readline() or None
    return None


# The child's side.


def _matrices(held: Any) -> tuple[list[tuple[str, Any]], dict[str, float]]:
    """Prompt-like tensors of what a file holds, and single numbers beside them."""
    import torch

    if isinstance(held, torch.Tensor):
        return [("", held)], {}
    flat: dict[str, Any] = {}

    def walk(item: Any, name: str, depth: int) -> None:
        if isinstance(item, torch.Tensor | float | int):
            flat[name] = item
        elif isinstance(item, dict) and depth < 4:
            for key, value in item.items():
                walk(value, f"{name}.{key}" if name else str(key), depth + 1)

    walk(held, "", 0)
    tensors = {name: item for name, item in flat.items() if isinstance(item, torch.Tensor)}
    numbers = {name: float(item) for name, item in flat.items() if not isinstance(item, torch.Tensor) or item.numel() == 1}
    wide = [(name, item) for name, item in tensors.items() if item.ndim >= 2]
    named = [(name, item) for name, item in wide if NAMED.search(name)]
    return named or (wide if len(wide) == 1 else []), numbers


def _open(path: Path, out: Path, number: int) -> dict[str, Any]:
    import pickle

    import torch

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return {"error": "the file is too large", "found": f"{path.stat().st_size} bytes"}
        held = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        return {"error": "the file holds more than tensors, and nothing of it was run" if found else "not a torch file",
                "found": found[1] if found else None}  # fmt: skip
    except MemoryError:
        return {"error": "the file could not be read within the limits of memory and time"}
    except Exception as error:
        return {
            "error": "the file is truncated or no torch file",
            "found": f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}",
        }
    tensors, numbers = _matrices(held)
    if not tensors:
        return {"error": "no prompt in the file", "found": type(held).__name__}
    arrays = {}
    for place, (_name, tensor) in enumerate(tensors):
        if tensor.ndim != 2 or not tensor.is_floating_point():
            return {"error": "the tensor is no matrix of floats", "found": f"shape {tuple(tensor.shape)}, {tensor.dtype}"}
        if tensor.numel() * 4 > MAX_MATRIX_BYTES:
            return {"error": "the matrix is too large for a prompt", "found": f"shape {tuple(tensor.shape)}"}
        arrays[f"a{place}"] = tensor.detach().float().numpy()
    np.savez(out / f"{number}.npz", **arrays)
    return {"names": [name for name, _ in tensors], "numbers": numbers}


def main(out: str) -> None:
    """Answers one line of JSON for each that names a file."""
    import resource

    import torch

    torch.set_num_threads(1)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc/self/statm").exists() else 0
    if taken:
        resource.setrlimit(resource.RLIMIT_AS, (taken + MORE_MEMORY, taken + MORE_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (3600, 3600))
    print("{}", flush=True)
    for line in sys.stdin:
        number, path = json.loads(line)
        print(json.dumps(_open(Path(path), Path(out), number)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
