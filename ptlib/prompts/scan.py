"""Every prompt under a folder, whatever its format, and what could not be read.

Formats: the authors' ``task_prompt`` and torch files, OpenPrompt state dicts, PEFT folders, plain tensors, safetensors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ptlib.errors import PromptError, PtlibError, Refused
from ptlib.prompts import peft_format, safetensors_format, torch_file
from ptlib.prompts.insertion import UNKNOWN
from ptlib.prompts.soft_prompt import SoftPrompt
from ptlib.prompts.thunlp_format import named

TORCH = (".pt", ".pth", ".pkl", ".bin", ".ckpt")
MIXED = re.compile(r"(^|[.])soft_embedding[.]weight$")
"""OpenPrompt's MixedTemplate: row 0 of the table stands for "no soft token" and is never read."""
OPENPROMPT = re.compile(r"(^|[._])soft_embed(s|ding)?([._]|$)")


class Found(NamedTuple):
    """A prompt in a foreign file."""

    path: Path
    format: str
    """"thunlp", "openprompt", "peft", "tensor" or "safetensors"."""
    name: str
    """Its file's story in characters that an id may have."""
    task: str
    backbone: str
    """Hub id of its PLM, empty where unknown."""
    kind: str
    insertion: str
    values: np.ndarray
    """(length, hidden) float32, finite"""
    meta: dict[str, Any]


def scan(folder: Path) -> Iterator[Found | Refused]:
    """Prompts below a folder in order of path; one at a time, so that ten thousand need no more memory than one.

    Raises:
        PromptError: no such folder, or nothing in it that could be a prompt.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PromptError("no such folder", where=folder, mend="Point at a checkout, or at a folder of prompts.")
    torch_files, others = [], []
    for path in _files(folder):
        if path.name == "adapter_config.json" or (path.suffix == ".safetensors" and path.name != "adapter_model.safetensors"):
            others.append(path)
        elif path.name == "task_prompt" or (path.suffix in TORCH and path.name != "adapter_model.bin"):
            torch_files.append(path)
    if not torch_files and not others:
        raise PromptError("no prompt in this folder", where=folder, expected=f"task_prompt, {', '.join(TORCH)}, .safetensors or adapter_config.json",
                          mend="Point at a checkout, or at a folder of prompts.")  # fmt: skip
    yield from (item for path in others for item in _plain(path, folder))
    for opened in torch_file.read(torch_files):
        if opened.error is not None:
            yield Refused(str(opened.path), str(opened.error))
            continue
        for matrix in opened.matrices:
            yield _found(opened.path, folder, matrix.name, matrix.values, opened.numbers)


def _files(folder: Path) -> Iterator[Path]:
    # Links are not followed: they could lead out of the folder.
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for name in sorted(names) if not name.startswith(".") and not (path := Path(place) / name).is_symlink())


def _plain(path: Path, root: Path) -> Iterator[Found | Refused]:
    try:
        if path.name == "adapter_config.json":
            values, config = peft_format.read(path.parent)
            base = str(config.get("base_model_name_or_path") or "").rstrip("/").split("/")[-1].lower()
            story = {"task_type": config.get("task_type"), "base": config.get("base_model_name_or_path")}
            yield _checked(path.parent, "peft", _name(path.parent, root), "", base, "trained", "peft", values, story)
        else:
            yield _safetensors(path, root)
    except PtlibError as error:
        yield Refused(str(path), str(error))


def _safetensors(path: Path, root: Path) -> Found:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        prompt = safetensors_format.load(path)
    except PromptError:
        if path.stat().st_size > safetensors_format.MAX_BYTES:
            raise
    else:
        return Found(path, "safetensors", prompt.name, prompt.task, "", prompt.kind, prompt.insertion, prompt.values, dict(prompt.meta))
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, TypeError) as error:
        raise PromptError("the file is truncated or damaged", where=path, found=error, mend="Copy it again.") from error
    if len(tensors) != 1:
        raise PromptError(
            "not one tensor",
            where=path,
            found=f"{len(tensors)} tensors",
            expected="the prompt alone",
            mend="Save the prompt's tensor alone.",
        )
    return _found(path, root, "", next(iter(tensors.values())), {})


def _found(path: Path, root: Path, tensor: str, values: np.ndarray, numbers: dict[str, float]) -> Found | Refused:
    story: dict[str, Any] = {"file": str(path.relative_to(root)), **({"tensor": tensor} if tensor else {}), **numbers}
    known = named(path)
    kind, task, backbone = ("trained", "", "") if known is None else (known.kind, known.task, known.backbone)
    form, insertion = ("tensor", "peft") if known is None else ("thunlp", "thunlp")
    if MIXED.search(tensor):
        form, insertion, values = "openprompt", UNKNOWN, values[1:]
        story["insertion_note"] = "from OpenPrompt's MixedTemplate, whose text says where each soft token stands"
    elif OPENPROMPT.search(tensor):
        form, insertion = "openprompt", "openprompt"
    if known is not None:
        story |= {key: value for key, value in (("source_backbone", known.source_backbone), ("variant", known.variant)) if value}
        if known.variant == "emotion":
            insertion = UNKNOWN
            story["insertion_note"] = "trained with the mask before the prompt and position embeddings on it"
    try:
        return _checked(path, form, _name(path, root), task, backbone, kind, insertion, values, story)
    except PromptError as error:
        return Refused(str(path), str(error))


def _checked(
    path: Path, form: str, name: str, task: str, backbone: str, kind: str, insertion: str, values: np.ndarray, meta: dict[str, Any]
) -> Found:
    """Raises PromptError when the values are no finite matrix."""
    prompt = SoftPrompt(values, str(path), "", task, None, kind, insertion)
    return Found(path, form, name, task, backbone, kind, insertion, prompt.values, meta)


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts if path.name != "task_prompt" else path.parent.relative_to(root).parts
    text = "-".join(parts[-2:]) if parts else path.stem
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64] or "prompt"
