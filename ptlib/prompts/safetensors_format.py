"""The project's own prompt format: one safetensors file with a tensor ``prompt`` and its story in the header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ptlib.errors import PromptError
from ptlib.prompts.soft_prompt import SoftPrompt

MAX_BYTES = 64 * 2**20
MEND = "Copy the file again, or train the prompt again."


def save(prompt: SoftPrompt, path: Path) -> None:
    """Writes a prompt atomically."""
    from safetensors.numpy import save as dump

    story = {
        "format": "ptlib-prompt-1", "name": prompt.name, "plm": prompt.plm, "task": prompt.task,
        "seed": json.dumps(prompt.seed), "kind": prompt.kind, "insertion": prompt.insertion, "digest": prompt.digest,
        "meta": json.dumps(dict(prompt.meta), sort_keys=True),
    }  # fmt: skip
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(dump({"prompt": np.array(prompt.values)}, metadata=story))
    part.replace(path)


def header(path: Path) -> dict[str, Any]:
    """A prompt's story and shape without its values: name, plm, task, seed, kind, insertion, digest, meta, shape.

    Raises:
        PromptError: missing, truncated, too large, or not a prompt of this format.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or length > min(size - 8, 2**20):
                raise ValueError("header longer than the file")
            raw = json.loads(file.read(length))
        story, tensor = raw["__metadata__"], raw["prompt"]
        if 8 + length + tensor["data_offsets"][1] != size:
            raise ValueError(f"{size} bytes, header promises {8 + length + tensor['data_offsets'][1]}")
        found = {**{key: story[key] for key in ("name", "plm", "task", "kind", "insertion", "digest")},
                 "seed": json.loads(story["seed"]), "meta": json.loads(story["meta"]),
                 "shape": tuple(tensor["shape"])}  # fmt: skip
    except OSError as error:
        raise PromptError("the prompt cannot be read", where=path, found=error.strerror or error, mend=MEND) from error
    except KeyError as error:
        raise PromptError("not a prompt of this project's format", where=path, found=f"no {error} in the header",
                          expected="a file written by ptlib.prompts.save") from error  # fmt: skip
    except (ValueError, TypeError, IndexError) as error:
        raise PromptError("the file is truncated or damaged", where=path, found=error, mend=MEND) from error
    if size > MAX_BYTES:
        raise PromptError("the prompt is too large", where=path, found=f"{size} bytes", expected=f"{MAX_BYTES} at most")
    return found


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
    prompt = SoftPrompt(values, story["name"], story["plm"], story["task"], story["seed"], story["kind"],
                        story["insertion"], story["meta"])  # fmt: skip
    if prompt.digest != story["digest"]:
        raise PromptError("the values are not those that were saved", where=path, found=f"digest {prompt.digest[:12]}",
                          expected=story["digest"][:12], mend=MEND)  # fmt: skip
    return prompt
