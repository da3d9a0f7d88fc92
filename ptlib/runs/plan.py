"""From a selection to cells, and from cells to the keys their results are kept under. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Literal

from ptlib.analysis.clear import default_width
from ptlib.errors import RunError
from ptlib.library import Library, PromptEntry
from ptlib.plms.describe import PlmInfo
from ptlib.prompts.insertion import family_insertions

Kind = Literal["score", "stimulation", "masked", "training", "projector"]
VERSIONS: dict[str, str] = {"score": "2", "stimulation": "1", "masked": "1", "training": "1", "projector": "1"}
"""Versions of the evaluating code; a test holds them equal to those in ptlib.transfer and ptlib.neurons."""
ALONE = ("training", "projector")
"""Kinds whose cells are long: each is a batch of its own, can be resumed in its middle, and leaves something in the user's library."""


@dataclass(frozen=True)
class Cell:
    """One (PLM, prompt, task, settings) evaluation, one stimulation or one training: the unit of work, caching and resuming."""

    kind: Kind
    plm_id: str
    plm: str
    """Fingerprint."""
    prompt: str
    """Digest; empty for "no prompt"."""
    prompt_name: str
    insertion: str
    dtype: str
    task: str = ""
    task_digest: str = ""
    split: str = ""
    limit: int | None = None
    until: float | None = None
    """Stop when it is clear: width of the interval that ends the cell. No part of the key, since a result is a result."""
    settings: str = ""
    """What else decides the result, as canonical JSON (:func:`settings_of`): which neurons are masked, how a prompt is trained.
    Prompts and data in it are named by their digests."""

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of contents only, so that two names of one thing share a result."""
        return hasher(self.kind, self.plm, self.insertion, self.dtype, self.task_digest, self.settings)(self.prompt)

    @property
    def batch(self) -> str:
        """Cells of one batch share a PLM and a task and are evaluated together; a training is alone."""
        alone = f" {self.key[:12]}" if self.kind in ALONE else ""
        return f"{self.plm_id} {self.kind} {self.task} {self.split} {self.limit} {self.dtype}{alone}" + (
            f" until {self.until}" if self.until else ""
        )

    @property
    def words(self) -> str:
        """The cell for the eye."""
        prompt = self.prompt_name or "no prompt"
        what = {"score": f"{prompt} on {self.task}", "stimulation": f"{prompt} stimulation", "masked": f"{prompt} on {self.task}, neurons masked",
                "training": f"training for {self.task}", "projector": f"projector from {self.told.get('source', 'another PLM')}"}[self.kind]  # fmt: skip
        return f"{what} ({self.plm_id})"

    @property
    def told(self) -> dict:
        """The settings as a dict."""
        return json.loads(self.settings) if self.settings else {}

    def spec(self) -> str:
        """The cell as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_spec(cls, text: str) -> Cell:
        """The cell from its JSON."""
        return cls(**json.loads(text))


def settings_of(**settings: object) -> str:
    """Settings as canonical JSON: the same settings are the same text, whatever their order. Values are JSON's, None left out."""
    return json.dumps({name: value for name, value in settings.items() if value is not None}, sort_keys=True, allow_nan=False)


def hasher(kind: Kind, plm: str, insertion: str, dtype: str, task_digest: str, settings: str = "") -> Callable[[str], str]:
    """Prompt digest -> key, of cells that share everything else."""
    story = {
        "kind": kind,
        "version": VERSIONS[kind],
        "plm": plm,
        "prompt": "?",
        "insertion": insertion,
        "dtype": dtype,
        "task": task_digest,
    }
    if kind == "score" and dtype != "float32":
        # Doubtful answers are taken from single precision.
        story["checked"] = True
    if settings:
        story["settings"] = settings
    first, last = json.dumps(story, sort_keys=True).split('"?"', 1)
    begun = hashlib.sha256(first.encode())
    rest = f'"{last}'.encode()

    def key(prompt: str) -> str:
        total = begun.copy()
        total.update(f'"{prompt}'.encode() + rest)
        return total.hexdigest()

    return key


@dataclass(frozen=True)
class Selection:
    """What a user picked."""

    plm: str
    prompts: tuple[str, ...]
    """Unique names; the empty name stands for "no prompt"."""
    tasks: tuple[str, ...]
    split: str = "test"
    limit: int | None = None
    dtype: str = "float32"
    insertion: str | None = None
    """None: each prompt as it was trained; another one is part of the cells' keys."""


def select(
    library: Library, plm: str | None = None, *, tasks: Sequence[str] | None = None, sources: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None, baselines: bool = True, split: str = "test", limit: int | None = None,
    insertion: str | None = None, dtype: str = "float32", further: Sequence[str] = (),
) -> Selection:  # fmt: skip
    """A selection by what is usually asked for: sources (tasks the prompts were trained on), seeds, targets.

    ``None`` takes everything; ``baselines`` adds the PLM's random prompts and "no prompt"; ``further`` names prompts that were
    trained here, each to be a row of its own.

    Raises:
        PtlibError: an unknown PLM, task or source, or a library without any PLM.
    """
    plm = plm or library.default_plm()
    if plm is None:
        raise RunError("there is no PLM in the library", where="library", mend="Run: ptlib zoo build")
    offered = family_insertions(library.plm(plm).family)
    if insertion is not None and insertion not in offered:
        raise RunError(
            "this insertion is not defined for the PLM's family", where=plm, found=repr(insertion), expected=f"one of {list(offered)}"
        )
    names = [library.task(name).name for name in (library.tasks_for(plm) if tasks is None else tasks)]
    wanted = set(library.sources_for(plm) if sources is None else sources)
    trained = library.given(plm)
    for name in wanted - {entry.task for entry in trained}:
        library.task(name)
    prompts = [entry.name for entry in trained
               if entry.task in wanted and (seeds is None or entry.seed in seeds)]  # fmt: skip
    prompts += [library.prompt(name).name for name in further if name not in prompts]
    if baselines:
        prompts += [entry.name for entry in library.prompts(plm, ("random",))] + [""]
    return Selection(plm, tuple(prompts), tuple(names), split, limit, dtype, insertion)


def until_clear(library: Library, cells: Sequence[Cell], width: float | None = None) -> list[Cell]:
    """The same cells, each to be evaluated until it is clear (:mod:`ptlib.analysis.clear`).

    Args:
        width: of the interval that ends a cell; None chooses one for the number of the task's examples.

    Raises:
        RunError: a width that is no share. TaskError: unreadable data.
    """
    if width is not None and not 0 < width < 1:
        raise RunError("the interval's width must lie between 0 and 1", where="until clear", found=width, mend="For example 0.3.")
    widths = {}
    for cell in cells:
        place = (cell.task, cell.split, cell.limit)
        if cell.kind == "score" and place not in widths:
            examples = len(library.task(cell.task).read(cell.split, cell.limit).texts)
            widths[place] = round(default_width(examples), 4) if width is None else width
    return [replace(cell, until=widths[cell.task, cell.split, cell.limit]) if cell.kind == "score" else cell for cell in cells]


def check_seeds(library: Library, plm: str, seeds: Sequence[int] | None) -> None:
    """Raises RunError for seeds that no prompt of the PLM has: typed by hand, they would quietly select nothing."""
    here = {entry.seed for entry in [*library.given(plm), *library.prompts(plm, ("projected",))]}
    unknown = sorted(set(seeds or ()) - here)
    if unknown:
        raise RunError(f"no prompt of seed {unknown[0]}", where=plm,
                       expected=f"seeds {', '.join(str(seed) for seed in sorted(here - {None}))}")  # fmt: skip


class Grid:
    """Every prompt of a selection on every task of it, task by task: row ``task * prompts + prompt``. Cells are made when they
    are asked for; their keys are there."""

    def __init__(self, library: Library, selection: Selection) -> None:
        """Raises PtlibError: an unknown PLM, prompt or task, or unreadable data."""
        self.selection, self.plm = selection, library.plm(selection.plm)
        self.entries = [_entry(library, name, selection) for name in selection.prompts]
        self.insertions = [_insertion(selection, entry, self.plm) for entry in self.entries]
        self.digests = [entry.digest if entry else "" for entry in self.entries]
        self.further = [entry is not None and entry.name in library.further for entry in self.entries]
        """Whether each prompt was trained here, beside those that the study is about."""
        self.types = [library.task(name).type for name in selection.tasks]
        self.task_digests = [
            library.task(name).for_family(self.plm.family).digest(selection.split, selection.limit) for name in selection.tasks
        ]
        self.keys: list[str] = []
        for digest in self.task_digests:
            make = {way: hasher("score", self.plm.fingerprint, way, selection.dtype, digest) for way in set(self.insertions)}
            self.keys += [make[way](prompt) for way, prompt in zip(self.insertions, self.digests, strict=True)]

    def __len__(self) -> int:
        return len(self.keys)

    def cell(self, row: int) -> Cell:
        """One cell."""
        task, prompt = divmod(row, len(self.entries))
        entry, chosen = self.entries[prompt], self.selection
        found = Cell("score", self.plm.id, self.plm.fingerprint, self.digests[prompt], entry.name if entry else "", self.insertions[prompt], chosen.dtype,
                     chosen.tasks[task], self.task_digests[task], chosen.split, chosen.limit)  # fmt: skip
        found.__dict__["key"] = self.keys[row]
        return found


def score_cells(library: Library, selection: Selection) -> list[Cell]:
    """Every prompt on every task, ordered by task.

    Raises:
        PtlibError: an unknown PLM, prompt or task, or unreadable data.
    """
    grid = Grid(library, selection)
    return [grid.cell(row) for row in range(len(grid))]


def stimulation_cells(library: Library, selection: Selection) -> list[Cell]:
    """One stimulation for every prompt of the selection; "no prompt" has none."""
    plm = library.plm(selection.plm)
    entries = [_entry(library, name, selection) for name in selection.prompts if name]
    return [Cell("stimulation", plm.id, plm.fingerprint, entry.digest, entry.name, _insertion(selection, entry, plm), selection.dtype)
            for entry in entries]  # fmt: skip


def plan(library: Library, selection: Selection) -> list[Cell]:
    """All cells of a selection: stimulations first, since they are cheap and ON needs them."""
    return stimulation_cells(library, selection) + score_cells(library, selection)


def _insertion(selection: Selection, entry: PromptEntry | None, plm: PlmInfo) -> str:
    return selection.insertion or (entry.insertion if entry else family_insertions(plm.family)[0])


def _entry(library: Library, name: str, selection: Selection) -> PromptEntry | None:
    if not name:
        return None
    entry = library.prompt(name)
    if entry.plm_id != selection.plm:
        raise RunError(f"the prompt {name} was trained for another PLM", where="selection", found=entry.plm_id,
                       expected=selection.plm, mend="Choose its own PLM.")  # fmt: skip
    return entry
