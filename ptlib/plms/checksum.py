"""A loaded PLM's weights in one number, to show that nothing changed them."""

from __future__ import annotations

import hashlib

import torch

from ptlib.plms.plm import Plm


def checksum(plm: Plm) -> str:
    """sha256 (hex) of every parameter's and buffer's name, type, shape and bytes."""
    total = hashlib.sha256()
    for name, tensor in plm.model.state_dict().items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # Half precision has formats that numpy does not know.
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return total.hexdigest()
