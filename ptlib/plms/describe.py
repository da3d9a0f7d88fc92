"""What a PLM is, read from its folder before anything is loaded. Imports no torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ptlib.errors import PlmError
from ptlib.plms.fingerprint import tensor_table, weights_fingerprint


class Fields(NamedTuple):
    """Where a family's ``config.json`` says what."""

    family: str
    """The file of :mod:`ptlib.plms` that knows its insides."""
    hidden: str
    layers: str
    ffn: str
    positions: str
    """Empty: positions are relative, there is no longest text."""
    activation: str


_ENCODER = ("hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings", "hidden_act")
FAMILIES: dict[str, Fields] = {
    "roberta": Fields("roberta", *_ENCODER), "bert": Fields("bert", *_ENCODER),
    "t5": Fields("t5", "d_model", "num_decoder_layers", "d_ff", "", "feed_forward_proj"),
    "gpt2": Fields("gpt2", "n_embd", "n_layer", "n_inner", "n_positions", "activation_function"),
    **{name: Fields("llama", *_ENCODER) for name in ("llama", "mistral", "qwen2", "qwen3")},
}  # fmt: skip
"""transformers' ``model_type`` -> what is known of it."""
NO_LIMIT = 2**31
HUB = "hub:"
"""Before the hub id of a PLM, where its weights are not here: it stands in place of their fingerprint."""


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
    """Layers whose neurons are read: all, or those of the decoder (T5)."""
    ffn: int
    """Neurons a layer: width of the feed-forward network."""
    max_positions: int
    vocab: int
    parameters: int
    fingerprint: str
    bytes: int
    card: Mapping[str, Any] = field(default_factory=dict)
    """``zoo.json`` beside the weights, where there is one."""
    activation: str = "gelu"

    @property
    def default(self) -> bool:
        """Whether its makers name it as the one to start with."""
        return bool(self.card.get("default", False))

    @property
    def here(self) -> bool:
        """Whether its weights are here; otherwise it is only known by name."""
        return not self.fingerprint.startswith(HUB)

    @property
    def group(self) -> str:
        """PLMs that differ only in their pre-training seed share a group."""
        return str(self.card.get("group", self.id))

    @property
    def gated(self) -> bool:
        """Whether its FFN multiplies a gate with a second projection."""
        return self.family == "llama" or self.activation.startswith("gated-")

    @property
    def neuron(self) -> str:
        """What a neuron's value is, for an axis."""
        if self.gated:
            return "act(gate) × up"
        return (
            "value before ReLU"
            if self.family == "t5"
            else "value after GELU"
            if "gelu" in self.activation
            else f"value after {self.activation}"
        )

    @property
    def activated_means(self) -> str:
        """When a neuron of this PLM is activated, in a sentence."""
        if self.gated:
            return "A gated FFN: the value is the one that multiplies, act(gate) × up; activated means gate > 0, whatever the value's sign."
        if self.family == "t5":
            return "Activated means a value above zero, before ReLU, in the decoder."
        return "Activated means a value above zero; the activation function keeps the sign, so it is the same before and after it."


def read_json(path: Path, missing: str) -> dict[str, Any]:
    """A JSON object from a file. Raises PlmError; ``missing`` says how to mend its absence."""
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
    config = read_json(where, "Point at a folder saved by transformers' save_pretrained.")
    if config.get("auto_map"):
        raise PlmError("the PLM brings its own code, which is never run", where=where, found="field auto_map",
                       expected="a model class of transformers", mend="Save it again with that class.")  # fmt: skip
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise PlmError("unsupported model_type", where=where, found=repr(model_type),
                       expected=f"one of {sorted(FAMILIES)}", mend="Choose a PLM of such a family.")  # fmt: skip
    fields = FAMILIES[model_type]
    numbers = _numbers(config, fields, where)
    files = weight_files(folder)
    tables = [tensor_table(path)[0] for path in files]
    card = folder / "zoo.json"
    # A link keeps its own name: that is what the library files it under.
    return PlmInfo(
        Path(os.path.abspath(folder)).name, folder, model_type, fields.family, *numbers,
        sum(math.prod(item["shape"]) for table in tables for item in table.values()), weights_fingerprint(*files),
        sum(path.stat().st_size for path in files), read_json(card, "Copy the folder again.") if card.exists() else {},
        str(config.get(fields.activation, "relu" if fields.family == "t5" else "gelu")),
    )  # fmt: skip


def _numbers(config: dict[str, Any], fields: Fields, where: Path) -> list[int]:
    """hidden, layers, ffn, positions, vocabulary."""
    config = dict(config)
    if fields.family == "t5":
        config.setdefault("num_decoder_layers", config.get("num_layers"))
    if fields.family == "gpt2" and config.get("n_inner") is None and type(config.get("n_embd")) is int:
        config["n_inner"] = 4 * config["n_embd"]
    found = []
    for name in (fields.hidden, fields.layers, fields.ffn, fields.positions, "vocab_size"):
        value = config.get(name) if name else NO_LIMIT
        if type(value) is not int or value < 1:
            raise PlmError(f"field {name} is not a positive whole number", where=where, found=repr(value),
                           mend="Copy the folder again; transformers' save_pretrained writes this field.")  # fmt: skip
        found.append(value)
    return found


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a PLM's weights: one, or those that an index names.

    Raises:
        PlmError: none, only pickled ones, or an index that names a file outside the folder.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.exists():
        whole = folder / "model.safetensors"
        if not whole.exists():
            pickled = sorted(path.name for path in folder.glob("*.bin"))
            raise PlmError("no model.safetensors", where=folder, found=f"only {', '.join(pickled[:3])}" if pickled else None,
                           mend="Pickled weights are never opened; save the PLM with safetensors."
                           if pickled else "Copy the folder again.")  # fmt: skip
        return [whole]
    named = read_json(index, "Copy the folder again.").get("weight_map")
    if not isinstance(named, dict) or not named:
        raise PlmError("the index of the weights names none", where=index, expected="field weight_map", mend="Copy the folder again.")
    parts = sorted({str(name) for name in named.values()})
    for name in parts:
        if Path(name).name != name:
            raise PlmError("the index names a file outside the folder", where=index, found=repr(name), mend="Copy the folder again.")
        if not (folder / name).exists():
            raise PlmError("a part of the weights is missing", where=folder, found=f"no {name}", expected=f"{len(parts)} parts",
                           mend="Copy the folder again.")  # fmt: skip
    return [folder / name for name in parts]
