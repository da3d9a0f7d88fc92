"""Where and in which precision a PLM runs: chosen, stated, overridable."""

from __future__ import annotations

from ptlib.errors import PlmError
from ptlib.plms.describe import PlmInfo

DTYPES = ("float32", "bfloat16", "float16")


def choose_device(name: str | None = None) -> str:
    """The device asked for, or the best there is: "cuda", "mps" or "cpu".

    Raises:
        PlmError: the device asked for is not here.
    """
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name is None:
        return next(device for device, present in here.items() if present)
    if not here.get(name.split(":")[0], False):
        raise PlmError("this device is not here", where="device", found=repr(name),
                       expected=f"one of {[device for device, present in here.items() if present]}")  # fmt: skip
    return name


def choose_dtype(device: str, name: str | None = None) -> str:
    """The precision asked for, or float32 on CPU and MPS, bfloat16 on CUDA.

    Raises:
        PlmError: an unknown precision.
    """
    if name is None:
        return "bfloat16" if device.startswith("cuda") else "float32"
    if name not in DTYPES:
        raise PlmError("unknown dtype", where="dtype", found=repr(name), expected=f"one of {list(DTYPES)}")
    return name


WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}


def free_memory(device: str) -> int:
    """Bytes that are free on the device now."""
    import psutil
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def check_memory(info: PlmInfo, device: str, dtype: str) -> None:
    """Raises PlmError when the weights alone do not fit, before anything is loaded."""
    needed, free = info.parameters * WIDTH[dtype], free_memory(device)
    if needed > free:
        raise PlmError(f"the weights do not fit into the memory of {device}", where=info.id, found=f"{free / 2**30:.1f} GiB free",
                       expected=f"{needed / 2**30:.1f} GiB for {info.parameters:,} parameters in {dtype}",
                       mend="Free memory, choose bfloat16, another device or a smaller PLM.")  # fmt: skip
