"""PEFT prompt-tuning adapters: a folder with ``adapter_config.json`` and ``adapter_model.safetensors``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ptlib.errors import PromptError
from ptlib.prompts.soft_prompt import SoftPrompt

TENSOR = "prompt_embeddings"
TASK_TYPES = {
    "roberta": "FEATURE_EXTRACTION",
    "bert": "FEATURE_EXTRACTION",
    "t5": "SEQ_2_SEQ_LM",
    "gpt2": "CAUSAL_LM",
    "llama": "CAUSAL_LM",
}
"""Family -> what peft calls the model's kind."""


def read(folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """(length, hidden) float32 and the adapter's configuration.

    Raises:
        PromptError: no prompt-tuning adapter, a pickled one, or a damaged file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    where = folder / "adapter_config.json"
    try:
        config = json.loads(where.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not a JSON object")
    except OSError as error:
        raise PromptError(
            "the adapter cannot be read", where=where, found=error.strerror or error, mend="Copy the folder again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise PromptError("the adapter's configuration is damaged", where=where, found=error, mend="Copy the folder again.") from error
    if config.get("peft_type") != "PROMPT_TUNING":
        raise PromptError("the adapter is no soft prompt", where=where, found=f"peft_type {config.get('peft_type')!r}", expected="'PROMPT_TUNING'",
                          mend="Only prompt tuning puts a matrix before the input embeddings.")  # fmt: skip
    weights = folder / "adapter_model.safetensors"
    if not weights.exists():
        pickled = (folder / "adapter_model.bin").exists()
        raise PromptError("no adapter_model.safetensors", where=folder, found="adapter_model.bin" if pickled else None,
                          mend="Save it with peft's save_pretrained(safe_serialization=True)." if pickled else "Copy the folder again.")  # fmt: skip
    try:
        tensors = load_file(weights)
        values = np.asarray(tensors[TENSOR])
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise PromptError("the adapter's weights are damaged or no prompt", where=weights, found=error, expected=f"a tensor {TENSOR}",
                          mend="Copy the folder again.") from error  # fmt: skip
    tokens = config.get("num_virtual_tokens")
    # For T5 peft keeps as many rows again for the decoder, which its forward never reads.
    double = type(tokens) is int and tokens > 0 and values.ndim == 2 and len(values) == 2 * tokens
    return values[:tokens] if double else values, config


def write(prompt: SoftPrompt, folder: Path, family: str, base: str) -> None:
    """Saves a prompt as an adapter that peft's own ``PeftModel.from_pretrained`` loads.

    Args:
        family: of the PLM; decides peft's task type.
        base: hub id or path that the adapter names as its model.

    Raises:
        PromptError: a prompt of another insertion, or a place that cannot be written.
    """
    from safetensors.numpy import save_file

    if prompt.insertion != "peft":
        raise PromptError("peft would insert this prompt in another way than it was trained with", where=f"prompt {prompt.name}",
                          found=prompt.insertion, expected="peft", mend="Train it with the insertion peft.")  # fmt: skip
    config = {"peft_type": "PROMPT_TUNING", "task_type": TASK_TYPES[family], "base_model_name_or_path": base, "num_virtual_tokens": prompt.length,
              "token_dim": prompt.hidden, "num_transformer_submodules": 1, "prompt_tuning_init": "RANDOM", "inference_mode": True}  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({TENSOR: np.ascontiguousarray(prompt.values)}, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise PromptError("the adapter cannot be saved", where=folder, found=error.strerror or error,
                          mend="Choose a folder you may write to.") from error  # fmt: skip
