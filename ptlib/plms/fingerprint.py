"""What makes a PLM the same PLM: its weights. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from ptlib.errors import PlmError

MEND = "Copy the folder again; the weights must be a complete safetensors file."


def tensor_table(path: Path) -> tuple[dict[str, dict], int]:
    """Header of a safetensors file: tensor name -> dtype, shape, data_offsets; and where its data starts.

    Raises:
        PlmError: missing, truncated or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or length > size - 8:
                raise ValueError(f"{size} bytes, the header alone needs {length + 8}")
            table = json.loads(file.read(length))
        table.pop("__metadata__", None)
        if not table:
            raise ValueError("a file without tensors")
        for name, item in table.items():
            if not isinstance(item["dtype"], str) or not all(type(side) is int for side in item["shape"]):
                raise ValueError(f"tensor {name} without a dtype and a shape")
        end = max(item["data_offsets"][1] for item in table.values())
        if 8 + length + end != size:
            raise ValueError(f"{size} bytes, the header promises {8 + length + end}")
    except OSError as error:
        raise PlmError("the weights cannot be read", where=path, found=error.strerror or error, mend=MEND) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise PlmError("the weights are truncated or damaged", where=path, found=error, mend=MEND) from error
    return table, 8 + length


def weights_fingerprint(*paths: Path) -> str:
    """sha256 (hex) over all tensors in order of name: name, dtype, shape, bytes.

    File metadata, the order of tensors and how they are cut into files do not count, so a renamed or re-saved PLM keeps
    its fingerprint.
    """
    return _fingerprint(tuple((path, _version(path)) for path in paths))


def _version(path: Path) -> tuple[int, int] | None:
    stat = path.stat() if path.exists() else None
    return stat and (stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _fingerprint(versions: tuple[tuple[Path, object], ...]) -> str:
    tensors = {}
    for path, _ in versions:
        table, start = tensor_table(path)
        tensors.update({name: (path, start, item) for name, item in table.items()})
    total = hashlib.sha256()
    for name in sorted(tensors):
        path, start, item = tensors[name]
        total.update(json.dumps([name, item["dtype"], item["shape"]]).encode())
        first, last = item["data_offsets"]
        with path.open("rb") as file:
            file.seek(start + first)
            while first < last:
                block = file.read(min(last - first, 2**24))
                total.update(block)
                first += len(block)
    return total.hexdigest()
