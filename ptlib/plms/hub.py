"""Brings a PLM into the user's library: a folder, or a model of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ptlib.errors import PlmError
from ptlib.plms.describe import PlmInfo, describe

WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""Configuration, weights that are no pickles, tokenizers. No code."""


def add(name: str, library: Path, *, revision: str | None = None) -> PlmInfo:
    """Links a PLM into ``library/plms`` under the last part of its name and describes it.

    What is on this machine is used first; the hub is asked only for what is missing, and not at all with HF_HUB_OFFLINE.

    Args:
        name: a folder, or a hub id such as ``google/t5-v1_1-large``.
        revision: branch, tag or commit of the hub.

    Raises:
        PlmError: not on this machine and not to be fetched, or a PLM that this program does not read.
    """
    given = Path(name).expanduser()
    folder = given.resolve() if given.is_dir() else _snapshot(name, revision)
    describe(folder)
    short = re.sub(r"[^a-z0-9._-]+", "-", (given.resolve().name if given.is_dir() else name.split("/")[-1]).lower()).strip("-._")
    place = library / "plms" / short
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.symlink_to(folder, target_is_directory=True)
    except OSError as error:
        raise PlmError("the PLM cannot be linked into the library", where=place, found=error.strerror or error,
                       mend="Remove what is there, or make the folder writable.") from error  # fmt: skip
    return describe(place)


def _snapshot(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=WANTED, local_files_only=True))
    except LocalEntryNotFoundError as error:
        if offline:
            raise PlmError("no such folder, and the hub is not asked (HF_HUB_OFFLINE)", where=name,
                           mend="Unset HF_HUB_OFFLINE, or name a folder.") from error  # fmt: skip
    except ValueError as error:
        raise PlmError("neither a folder nor a hub id", where=name, found=str(error).splitlines()[0][:160],
                       mend="Name a folder, or an id such as roberta-base or google/t5-v1_1-large.") from error  # fmt: skip
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
    except Exception as error:
        # The library raises its own, httpx's and builtin errors.
        raise PlmError("the PLM cannot be fetched from the hub", where=name, found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}",
                       mend="Check the id, the revision and the network; a gated model needs HF_TOKEN.") from error  # fmt: skip
