"""Loads a frozen PLM from its folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ptlib.errors import PlmError
from ptlib.plms.describe import PlmInfo, describe
from ptlib.plms.device import check_memory, choose_device, choose_dtype
from ptlib.plms.plm import Plm

CLASSES = {
    "roberta": ("AutoModelForMaskedLM", "ptlib.plms.roberta", "RobertaPlm", ("mask_token", "bos_token", "eos_token")),
    "bert": ("AutoModelForMaskedLM", "ptlib.plms.bert", "BertPlm", ("mask_token", "cls_token", "sep_token")),
    "t5": ("AutoModelForSeq2SeqLM", "ptlib.plms.t5", "T5Plm", ("eos_token", "pad_token")),
    "gpt2": ("AutoModelForCausalLM", "ptlib.plms.gpt2", "Gpt2Plm", ("eos_token",)),
    "llama": ("AutoModelForCausalLM", "ptlib.plms.llama", "LlamaPlm", ("eos_token",)),
}
"""Family -> transformers' class, our room and class, tokens that the tokenizer must name."""


def load(plm: PlmInfo | Path | str, *, device: str | None = None, dtype: str | None = None) -> Plm:
    """The PLM in a folder, frozen and in evaluation mode, with its tokenizer.

    Weights come from safetensors only, nothing is fetched and no code of the folder's is run.

    Args:
        device: "cuda", "mps" or "cpu"; None takes the best there is.
        dtype: "float32", "bfloat16" or "float16"; None takes float32 on CPU and bfloat16 on CUDA.

    Raises:
        PlmError: as :func:`ptlib.plms.describe.describe`, not enough memory, or weights or a tokenizer that do not load.
    """
    import torch
    import transformers

    info = plm if isinstance(plm, PlmInfo) else describe(plm)
    device = choose_device(device)
    dtype = choose_dtype(device, dtype)
    check_memory(info, device, dtype)
    auto, room, name, needed = CLASSES[info.family]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(info.folder, local_files_only=True, trust_remote_code=False)
        model, report = getattr(transformers, auto).from_pretrained(
            info.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=getattr(torch, dtype),
            attn_implementation="sdpa", output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PlmError("the PLM does not load", where=info.folder, found=str(error).splitlines()[0][:200],
                       mend="Copy the folder again: config.json, the weights and the tokenizer's files.") from error  # fmt: skip
    _check_complete(info, model, tokenizer, report, needed)
    model.requires_grad_(False).eval().to(device)
    return getattr(importlib.import_module(room), name)(info, model, tokenizer, device, dtype)


def _check_complete(info: PlmInfo, model: Any, tokenizer: Any, report: dict[str, Any], needed: tuple[str, ...]) -> None:
    # transformers fills weights that the file lacks with random numbers, which would give plausible, meaningless scores.
    if missing := sorted(report["missing_keys"]):
        raise PlmError("weights are missing from the PLM's file", where=info.folder, found=f"no {', '.join(missing[:3])}",
                       mend="Use a checkpoint saved with its language model head.")  # fmt: skip
    absent = [name for name in needed if getattr(tokenizer, f"{name}_id") is None]
    if absent:
        raise PlmError(f"the tokenizer has no {absent[0]}", where=info.folder,
                       mend="Copy tokenizer.json and tokenizer_config.json of this PLM.")  # fmt: skip
    largest, rows = max(tokenizer.get_vocab().values()), model.get_input_embeddings().weight.shape[0]
    if largest >= rows:
        raise PlmError("the tokenizer does not belong to the PLM", where=info.folder, found=f"token id {largest}",
                       expected=f"at most {rows - 1}", mend="Copy the tokenizer's files of this PLM.")  # fmt: skip
