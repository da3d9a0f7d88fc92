"""What a PLM is, read from its folder before anything is loaded. Imports no torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptlib.errors import PlmError
from ptlib.plms.fingerprint import tensor_table, weights_fingerprint

FAMILIES = {"roberta": "roberta"}
"""transformers' ``model_type`` -> the file of :mod:`ptlib.plms` that knows its insides."""


@dataclass(frozen=True)
class PlmInfo:
    """A PLM on disk."""

    id: str
    """Folder name."""
    folder: Path
    model_type: str
    family: str
    hidden: int
    layers: int
    ffn: int
    """Neurons a layer: width of the feed-forward network."""
    max_positions: int
    vocab: int
    parameters: int
    fingerprint: str
    bytes: int
    card: Mapping[str, Any] = field(default_factory=dict)
    """``zoo.json`` beside the weights, where there is one."""

    @property
    def default(self) -> bool:
        """Whether its makers name it as the one to start with."""
        return bool(self.card.get("default", False))

    @property
    def group(self) -> str:
        """PLMs that differ only in their pre-training seed share a group."""
        return str(self.card.get("group", self.id))


def _json(path: Path, missing: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlmError("no readable file here", where=path, found=error.strerror or error, mend=missing) from error
    except (ValueError, RecursionError) as error:
        raise PlmError("not valid JSON", where=path, found=error, mend="Copy the folder again.") from error
    if not isinstance(found, dict):
        raise PlmError("not a JSON object", where=path, found=type(found).__name__, expected="an object")
    return found


def describe(folder: Path | str) -> PlmInfo:
    """Describes the PLM in a folder from its ``config.json`` and the header of its weights.

    Raises:
        PlmError: no config, an unsupported ``model_type``, remote code (``auto_map``), weights that are missing,
            pickled or truncated, or a config that lacks a number.
    """
    folder = Path(folder)
    where = folder / "config.json"
    config = _json(where, "Point at a folder saved by transformers' save_pretrained.")
    if config.get("auto_map"):
        raise PlmError("the PLM brings its own code, which is never run", where=where, found="field auto_map",
                       expected="a model class of transformers", mend="Save it again with that class.")  # fmt: skip
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise PlmError("unsupported model_type", where=where, found=repr(model_type),
                       expected=f"one of {sorted(FAMILIES)}", mend="Choose a PLM of such a family.")  # fmt: skip
    numbers = {}
    for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings", "vocab_size"):
        if type(config.get(name)) is not int or config[name] < 1:
            raise PlmError(f"field {name} is not a positive whole number", where=where, found=repr(config.get(name)),
                           mend="Copy the folder again; transformers' save_pretrained writes this field.")  # fmt: skip
        numbers[name] = config[name]
    weights = folder / "model.safetensors"
    if not weights.exists():
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        raise PlmError("no model.safetensors", where=folder, found=f"only {', '.join(pickled)}" if pickled else None,
                       mend="Pickled weights are never opened; save the PLM with safetensors."
                       if pickled else "Copy the folder again.")  # fmt: skip
    table, _ = tensor_table(weights)
    card = folder / "zoo.json"
    # A link keeps its own name: that is what the library files it under.
    return PlmInfo(
        Path(os.path.abspath(folder)).name, folder, model_type, FAMILIES[model_type], numbers["hidden_size"],
        numbers["num_hidden_layers"], numbers["intermediate_size"], numbers["max_position_embeddings"],
        numbers["vocab_size"], sum(math.prod(item["shape"]) for item in table.values()), weights_fingerprint(weights),
        weights.stat().st_size, _json(card, "Copy the folder again.") if card.exists() else {},
    )  # fmt: skip
