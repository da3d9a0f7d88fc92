"""Loads a frozen PLM from its folder."""

from __future__ import annotations

from pathlib import Path

from ptlib.errors import PlmError
from ptlib.plms.describe import PlmInfo, describe
from ptlib.plms.device import choose_device, choose_dtype
from ptlib.plms.roberta import RobertaPlm


def load(plm: PlmInfo | Path | str, *, device: str | None = None, dtype: str | None = None) -> RobertaPlm:
    """The PLM in a folder, frozen and in evaluation mode, with its tokenizer.

    Weights come from ``model.safetensors`` only, nothing is fetched and no code of the folder's is run.

    Args:
        device: "cuda", "mps" or "cpu"; None takes the best there is.
        dtype: "float32", "bfloat16" or "float16"; None takes float32 on CPU and bfloat16 on CUDA.

    Raises:
        PlmError: as :func:`ptlib.plms.describe.describe`, or weights or a tokenizer that do not load.
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    info = plm if isinstance(plm, PlmInfo) else describe(plm)
    device = choose_device(device)
    dtype = choose_dtype(device, dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(info.folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForMaskedLM.from_pretrained(
            info.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=getattr(torch, dtype),
            attn_implementation="sdpa",
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PlmError("the PLM does not load", where=info.folder, found=str(error).splitlines()[0][:200],
                       mend="Copy the folder again: config.json, model.safetensors and the tokenizer's files.") from error  # fmt: skip
    model.requires_grad_(False).eval().to(device)
    return RobertaPlm(info, model, tokenizer, device, dtype)
