"""Brings foreign prompts and results into a folder that the library reads: safetensors prompts and one table."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ptlib.errors import PromptError, Refused
from ptlib.plms.describe import HUB
from ptlib.prompts import SoftPrompt, quality, save
from ptlib.prompts.insertion import UNKNOWN
from ptlib.prompts.scan import Found, scan
from ptlib.published.results import read_results

TABLE = "results.csv"
MOST = 2000
"""Prompts that one import takes: all are compared with all, and every page lists them."""


class Brought(NamedTuple):
    """What an import did."""

    folder: Path
    prompts: int
    results: int
    refused: list[Refused]
    copies: int
    """Prompts that are the same matrix as another one."""


def bring(
    source: Path, into: Path, *, plm: str | None = None, task: str | None = None, insertion: str | None = None, results: bool = True,
    on_item: Callable[[int], None] = lambda count: None,
) -> Brought:  # fmt: skip
    """Reads every prompt (and result) below ``source`` and writes them to ``into``, which is replaced as a whole.

    Args:
        plm: hub id of the PLM, for prompts whose files do not say it.
        task: what they were trained on, where the files do not say it; otherwise each prompt's own name stands for it.
        insertion: how these prompts meet the input, where the files do not say it.

    Raises:
        PromptError: no such folder, nothing usable in it, or a place that cannot be written.
    """
    source, into = Path(source), Path(into)
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        # Made beside its place and renamed: whoever reads the library meanwhile sees the old one or the new one.
        made = Path(tempfile.mkdtemp(dir=into.parent, prefix=".import-"))
        try:
            found = _bring(source, made, plm, task, insertion, results, on_item)
            if not found.prompts and not found.results:
                raise PromptError(
                    "nothing in this folder could be used", where=source, found=found.refused[0].reason if found.refused else None
                )
            shutil.rmtree(into, ignore_errors=True)
            made.rename(into)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise PromptError("the import cannot be written", where=into, found=error.strerror or error,
                          mend="Make the cache folder writable, or free disk space.") from error  # fmt: skip
    return found._replace(folder=into)


def _bring(
    source: Path, into: Path, plm: str | None, task: str | None, insertion: str | None, results: bool, on_item: Callable[[int], None]
) -> Brought:
    refused: list[Refused] = []
    kept: list[tuple[str, Path, SoftPrompt]] = []
    for count, item in enumerate(_items(source, results), 1):
        on_item(count)
        if len(kept) == MOST:
            refused.append(Refused(str(source), f"More than {MOST:,} prompts are in this folder; the first {MOST:,} were taken. Import its sub-folders "
                                   "one by one, each with a --name of its own."))  # fmt: skip
            break
        if isinstance(item, Refused):
            refused.append(item)
            continue
        backbone = item.backbone or (plm or "").lower()
        if not backbone:
            refused.append(Refused(str(item.path), "Its folder does not say which PLM the prompt is for. Name it with --plm."))
            continue
        name = _file_name(item)
        place = into / "prompts" / _slug(backbone) / f"{name}.safetensors"
        if place.exists():
            place = place.with_name(f"{name[:50]}-{len(kept)}.safetensors")
        way = insertion if insertion and (item.format in ("tensor", "safetensors") or item.insertion == UNKNOWN) else item.insertion
        norm = round(float(np.linalg.norm(item.values)), 4)
        prompt = SoftPrompt(
            item.values,
            place.stem,
            HUB + backbone,
            item.task or (task or name if item.kind == "trained" else ""),
            0,
            item.kind,
            way,
            {**item.meta, "norm": norm},
        )
        save(prompt, place)
        kept.append((backbone, place, prompt))
    table, bad = read_results(source) if results else (None, [])
    if table is not None and len(table):
        table.to_csv(into / TABLE, index=False)
    (into / "flags.json").write_text(json.dumps(_flags(kept), indent=1, sort_keys=True), encoding="utf-8")
    (into / "refused.json").write_text(json.dumps([list(item) for item in refused + bad], indent=1), encoding="utf-8")
    same = quality.copies([prompt.digest for _, _, prompt in kept])
    return Brought(into, len(kept), 0 if table is None else len(table), refused + bad, sum(len(group) - 1 for group in same))


def _items(source: Path, results: bool) -> Iterator[Found | Refused]:
    try:
        yield from scan(source)
    except PromptError:
        # A folder of results alone is worth having too.
        if not results or not source.is_dir():
            raise


def _flags(kept: list[tuple[str, Path, SoftPrompt]]) -> dict[str, str]:
    """Prompt name in the library -> what is odd about it."""
    found: dict[str, str] = {}
    shapes = {(backbone, prompt.values.shape) for backbone, _, prompt in kept}
    for backbone, shape in sorted(shapes):
        group = [
            (f"{_slug(backbone)}/{place.stem}", prompt) for plm, place, prompt in kept if plm == backbone and prompt.values.shape == shape
        ]
        sentences = quality.flags(np.stack([prompt.values for _, prompt in group]), [name.split("/")[-1] for name, _ in group])
        found |= {name: sentence for (name, _), sentence in zip(group, sentences, strict=True) if sentence}
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.split("/")[-1].lower()).strip("-._")


def _file_name(item: Found) -> str:
    if item.format != "thunlp":
        return item.name
    if item.kind == "random":
        return "random"
    origin = item.meta.get("source_backbone")
    parts = [item.task, f"from-{origin}" if origin else "projected" if item.kind == "projected" else ""]
    rest = item.meta.get("variant", "")
    parts += [rest] if rest and rest != "emotion" and not (item.kind == "projected" and rest == "_proj") else []
    return _slug("-".join(part.strip("_-") for part in parts if part))[:64]


def import_name(source: Path) -> str:
    """Folder name under which an import is kept."""
    return _slug(source.resolve().name) or "import"
