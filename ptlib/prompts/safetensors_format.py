"""The project's own prompt format: one safetensors file with a tensor ``prompt`` and its story in the header."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ptlib.errors import PromptError
from ptlib.prompts.insertion import INSERTIONS, UNKNOWN
from ptlib.prompts.soft_prompt import PromptKind, SoftPrompt

MAX_BYTES = 64 * 2**20
TEXTS = ("name", "plm", "task", "kind", "insertion", "digest")
DTYPES = ("F16", "F32", "F64")
MEND = "Copy the file again, or train the prompt again."


def save(prompt: SoftPrompt, path: Path) -> None:
    """Writes a prompt atomically; the same prompt gives the same bytes.

    Raises:
        PromptError: the place cannot be written.
    """
    story = {
        "format": "ptlib-prompt-1", "name": prompt.name, "plm": prompt.plm, "task": prompt.task,
        "seed": json.dumps(prompt.seed), "kind": prompt.kind, "insertion": prompt.insertion, "digest": prompt.digest,
        "meta": json.dumps(dict(prompt.meta), sort_keys=True),
    }  # fmt: skip
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(_bytes(prompt.values, story))
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PromptError("the prompt cannot be saved", where=path, found=error.strerror or error,
                          mend="Choose a folder you may write to, on a disk with room.") from error  # fmt: skip


def _bytes(values: np.ndarray, story: dict[str, str]) -> bytes:
    # The library's own writer puts metadata in random order, so that a rebuilt zoo would differ in every file.
    data = values.astype("<f4").tobytes()
    tensor = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [0, len(data)]}
    text = json.dumps({"__metadata__": story, "prompt": tensor}, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def header(path: Path) -> dict[str, Any]:
    """A prompt's story and shape without its values: name, plm, task, seed, kind, insertion, digest, meta, shape.

    Raises:
        PromptError: missing, truncated, too large, or not a prompt of this format.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PromptError("the prompt is too large", where=path, found=f"{size} bytes",
                              expected=f"{MAX_BYTES} at most")  # fmt: skip
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or length > min(size - 8, 2**20):
                raise ValueError("header longer than the file")
            raw = json.loads(file.read(length))
        story, tensor = raw["__metadata__"], raw["prompt"]
        if 8 + length + tensor["data_offsets"][1] != size:
            raise ValueError(f"{size} bytes, header promises {8 + length + tensor['data_offsets'][1]}")
        found = {**{key: story[key] for key in TEXTS}, "seed": json.loads(story["seed"]),
                 "meta": json.loads(story["meta"]), "shape": tuple(tensor["shape"])}  # fmt: skip
    except OSError as error:
        raise PromptError("the prompt cannot be read", where=path, found=error.strerror or error, mend=MEND) from error
    except KeyError as error:
        raise PromptError("not a prompt of this project's format", where=path, found=f"no {error} in the header",
                          expected="a file written by ptlib.prompts.save") from error  # fmt: skip
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise PromptError("the file is truncated or damaged", where=path, found=error, mend=MEND) from error
    _check(found, tensor.get("dtype"), path)
    return found


def _check(found: dict[str, Any], dtype: object, path: Path) -> None:
    shape = found["shape"]
    if len(shape) != 2 or not all(type(side) is int and side > 0 for side in shape):
        raise PromptError("the prompt is not a matrix", where=path, found=f"shape {shape}",
                          expected="shape (length, hidden)", mend="Save one row per soft token.")  # fmt: skip
    if dtype not in DTYPES:
        raise PromptError("the prompt does not hold floats", where=path, found=repr(dtype),
                          expected=f"one of {list(DTYPES)}", mend="Convert it before saving.")  # fmt: skip
    wrong = [key for key in TEXTS if not isinstance(found[key], str)]
    wrong += [] if found["seed"] is None or type(found["seed"]) is int else ["seed"]
    wrong += [] if isinstance(found["meta"], dict) else ["meta"]
    wrong += [] if found["kind"] in get_args(PromptKind) else ["kind"]
    wrong += [] if found["insertion"] in (*INSERTIONS, UNKNOWN) else ["insertion"]
    if wrong:
        raise PromptError(f"the header's {wrong[0]} is of no use", where=path, found=repr(found[wrong[0]])[:80],
                          expected="what ptlib.prompts.save writes", mend=MEND)  # fmt: skip


def load(path: Path) -> SoftPrompt:
    """Reads a prompt and checks it against the digest in its header.

    Raises:
        PromptError: as :func:`header`, or values that are no finite matrix or were changed after saving.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    story = header(path)
    try:
        values = load_file(path)["prompt"]
    except (SafetensorError, OSError, KeyError) as error:
        raise PromptError("the file is truncated or damaged", where=path, found=error, mend=MEND) from error
    try:
        prompt = SoftPrompt(values, story["name"], story["plm"], story["task"], story["seed"], story["kind"],
                            story["insertion"], story["meta"])  # fmt: skip
    except PromptError as error:
        raise PromptError(error.what, where=path, found=error.found, expected=error.expected,
                          mend=error.mend) from error  # fmt: skip
    if prompt.digest != story["digest"]:
        raise PromptError("the values are not those that were saved", where=path, found=f"digest {prompt.digest[:12]}",
                          expected=story["digest"][:12], mend=MEND)  # fmt: skip
    return prompt
