"""The shelf: which PLMs, prompts and tasks are here, and which could not be read. Imports no torch.

A library folder has sub-folders ``plms/<id>/``, ``tasks/*.toml`` and ``prompts/`` (``*.safetensors``, there or one
folder down). The zoo is always there, and what was imported (``imports/`` in the cache); ``PTLIB_LIBRARY`` names further
folders, separated as in ``PATH``. The paper's tasks come last, those without a prompt or data here out of sight.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ptlib.errors import PlmError, PromptError, PtlibError, Refused, TaskError
from ptlib.plms import known
from ptlib.plms.describe import HUB, PlmInfo, describe
from ptlib.prompts import safetensors_format
from ptlib.prompts.insertion import UNKNOWN
from ptlib.prompts.soft_prompt import SoftPrompt
from ptlib.published.results import COLUMNS
from ptlib.store import default_cache
from ptlib.tasks import Task, load_task
from ptlib.tasks.catalogue import catalogue

ZOO = Path(__file__).parent / "zoo"


def user_folder() -> Path:
    """The user's own library: where ``ptlib plms add`` links PLMs."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ptlib"


ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAMES = "64 characters at most of a-z, 0-9, dot, dash and underscore, a letter or digit first"


@dataclass(frozen=True)
class PromptEntry:
    """A prompt on the shelf: its story, without its values."""

    name: str
    """Unique in the library: ``<plm id>/<file name>``."""
    path: Path
    digest: str
    plm_id: str
    plm: str
    """Fingerprint of its PLM, or its hub id after ``hub:`` while the PLM is not here."""
    task: str
    """Empty for random prompts."""
    type: str
    """The task's type; "other" where its task is not here, "random" or "projected" where it has none."""
    seed: int | None
    kind: str
    length: int
    hidden: int
    insertion: str
    meta: Mapping[str, Any]

    @property
    def trained_here(self) -> bool:
        """Whether a run of this program trained it, beside the prompts that came with the zoo or an import."""
        return "training" in self.meta

    def load(self) -> SoftPrompt:
        """The prompt itself. Raises PromptError when the file changed or broke since the library was opened."""
        return safetensors_format.load(self.path)


@dataclass(frozen=True)
class Library:
    """What can be chosen."""

    plms: Mapping[str, PlmInfo]
    tasks: Mapping[str, Task]
    entries: tuple[PromptEntry, ...]
    refused: tuple[Refused, ...]
    published: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    """Results that came with imports: see :data:`ptlib.published.results.COLUMNS`."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Prompt name -> what is odd about it."""

    @classmethod
    def open(cls, folders: Sequence[Path] | None = None) -> Library:
        """Reads the zoo, further folders (``PTLIB_LIBRARY``), imports and the paper's tasks; or ``folders`` alone.

        Bad items land in ``refused``.
        """
        everything = folders is None
        if everything:
            named = [part for part in os.environ.get("PTLIB_LIBRARY", "").split(os.pathsep) if part]
            folders = [
                ZOO,
                *(Path(part) for part in named),
                *(path for path in [user_folder()] if path.is_dir()),
                *sorted((default_cache() / "imports").glob("[!.]*/")),
            ]
        refused: list[Refused] = []
        plms: dict[str, PlmInfo] = {}
        tasks: dict[str, Task] = {}
        for folder in folders:
            if not folder.is_dir():
                refused.append(Refused(str(folder), "The library folder does not exist. Check PTLIB_LIBRARY."))
            for path in sorted((folder / "plms").glob("[!.]*")):
                if path.is_file():
                    continue
                _shelve(plms, path, path.name, lambda path=path: describe(path), refused)
            for path in sorted((folder / "tasks").glob("[!.]*.toml")):
                _shelve(tasks, path, path.stem, lambda path=path: _task(path), refused)
        _drop_copies(plms, refused)
        published, flags = _imports(folders, refused)
        if everything:
            tasks = {**tasks, **{name: task for name, task in catalogue().items() if name not in tasks}}
        plms |= {name: plm for name in [*known.KNOWN] if name not in plms and (plm := _nameless(name, folders, published)) is not None}
        entries = _prompts(folders, plms, tasks, refused)
        return cls(plms, tasks, tuple(entries), tuple(refused), published, flags)

    @cached_property
    def _by_name(self) -> dict[str, PromptEntry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def _by_digest(self) -> dict[str, PromptEntry]:
        return {entry.digest: entry for entry in self.entries}

    def tasks_for(self, plm_id: str, *, published: bool = False) -> list[str]:
        """Tasks that make sense with a PLM: those it has a prompt for, and those that no PLM has one for.

        Only those whose data is here, unless results that were ``published`` are asked for.
        """
        own = {entry.task for entry in self.given(plm_id)}
        if published:
            return [name for name in self.tasks if name in own]
        anyone = {entry.task for entry in self.entries if entry.kind == "trained" and entry.name not in self.further}
        return [name for name, task in self.tasks.items() if (name in own or name not in anyone) and task.here("test")]

    def sources_for(self, plm_id: str) -> list[str]:
        """What a PLM's trained prompts were trained on: tasks first, then names that stand for no task here.

        Prompts whose insertion this program does not offer are left out: they cannot be evaluated.
        """
        own = {entry.task for entry in self.given(plm_id) if entry.insertion != UNKNOWN}
        return [name for name in self.tasks if name in own] + sorted(own - set(self.tasks) - {""})

    @cached_property
    def further(self) -> frozenset[str]:
        """Names of prompts that were trained here and that studies do not count unasked: all where a PLM has others; elsewhere
        all but the first of each task and seed. So no training changes a matrix."""
        trained = [entry for entry in self.entries if entry.kind == "trained"]
        came = {entry.plm_id for entry in trained if not entry.trained_here}
        here = sorted((entry for entry in trained if entry.trained_here), key=lambda entry: float(entry.meta.get("created", 0)))
        first: dict[tuple, str] = {}
        for entry in here:
            first.setdefault((entry.plm_id, entry.task, entry.seed), entry.name)
        return frozenset(entry.name for entry in here if entry.plm_id in came or entry.name not in first.values())

    def given(self, plm_id: str) -> list[PromptEntry]:
        """A PLM's trained prompts that studies are about."""
        return [entry for entry in self.prompts(plm_id, ("trained",)) if entry.name not in self.further]

    def default_plm(self) -> str | None:
        """The PLM to start with: the smallest that its makers name so, or the first at all."""
        named = sorted((plm for plm in self.plms.values() if plm.default), key=lambda plm: (plm.parameters, plm.id))
        return named[0].id if named else next(iter(self.plms), None)

    def prompts(self, plm_id: str | None = None, kinds: Sequence[str] = ("trained", "random", "projected")) -> list[PromptEntry]:
        """Prompts made for a PLM (for any when None), sorted by task order, seed and name."""
        order = {name: number for number, name in enumerate(self.tasks)}
        chosen = [entry for entry in self.entries if plm_id in (None, entry.plm_id) and entry.kind in kinds]
        return sorted(chosen, key=lambda entry: (order.get(entry.task, len(order)), entry.seed or 0, entry.name))

    def plm(self, plm_id: str) -> PlmInfo:
        """A PLM by id. Raises PlmError with those that are here."""
        return _find(self.plms, plm_id, "PLM", PlmError)

    def task(self, name: str) -> Task:
        """A task by name. Raises TaskError with those that are here."""
        return _find(self.tasks, name, "task", TaskError)

    def prompt(self, name: str) -> PromptEntry:
        """A prompt by its unique name. Raises PromptError with some that are here."""
        return _find(self._by_name, name, "prompt", PromptError)

    def by_digest(self, digest: str) -> PromptEntry:
        """A prompt by content. Raises PromptError when its file has gone."""
        return _find(self._by_digest, digest, "prompt with digest", PromptError)


def _find(shelf: Mapping[str, Any], name: str, what: str, error: type[PtlibError]) -> Any:
    if name not in shelf:
        here = sorted(shelf)
        found = ", ".join(here[:6]) + (" ..." if len(here) > 6 else "")
        raise error(f"no {what} {name!r}", where="library", found=found or "none",
                    mend=f"List them with: ptlib {what.split()[0].lower()}s")  # fmt: skip
    return shelf[name]


def _shelve(shelf: dict[str, Any], path: Path, name: str, read: Callable[[], Any], refused: list[Refused]) -> None:
    if not ID.fullmatch(name):
        refused.append(Refused(str(path), f"The name cannot be an id (expected {NAMES}). Rename it."))
    elif name in shelf:
        refused.append(Refused(str(path), f"Another item is called {name} already; rename one of them."))
    else:
        try:
            shelf[name] = read()
        except PtlibError as error:
            refused.append(Refused(str(path), str(error)))


def _drop_copies(plms: dict[str, PlmInfo], refused: list[Refused]) -> None:
    """Of PLMs with the same weights the first stays: prompts find their PLM by its weights alone."""
    first: dict[str, str] = {}
    for plm in list(plms.values()):
        if first.setdefault(plm.fingerprint, plm.id) != plm.id:
            del plms[plm.id]
            refused.append(Refused(str(plm.folder), f"It holds the same weights as {first[plm.fingerprint]}; remove one."))


def _task(path: Path) -> Task:
    task = load_task(path)
    if task.name != path.stem:
        raise TaskError("the task is not called like its file", where=path, found=task.name, expected=path.stem)
    for split, file in task.splits.items():
        if isinstance(file, Path) and not file.is_file():
            raise TaskError(f"the file of split {split!r} is missing", where=path, expected=file,
                            mend="Copy the file there or correct the path under [splits].")  # fmt: skip
    return task


def _imports(folders: Sequence[Path], refused: list[Refused]) -> tuple[pd.DataFrame, dict[str, str]]:
    tables, flags = [], {}
    for folder in folders:
        path = folder / "results.csv"
        try:
            if path.is_file():
                table = pd.read_csv(path, keep_default_na=False)
                if list(table.columns) != COLUMNS:
                    raise ValueError(f"columns {list(table.columns)}")
                tables.append(table.astype({"value": float}))
            if (folder / "flags.json").is_file():
                flags |= {str(name): str(text) for name, text in json.loads((folder / "flags.json").read_text(encoding="utf-8")).items()}
            if (folder / "refused.json").is_file():
                refused += [
                    Refused(str(place), str(reason)) for place, reason in json.loads((folder / "refused.json").read_text(encoding="utf-8"))
                ]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            refused.append(Refused(str(path), f"The import is damaged: {error}. Import it again."))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS), flags


def _nameless(name: str, folders: Sequence[Path], published: pd.DataFrame) -> PlmInfo | None:
    """What is known of a PLM whose weights are not here, where prompts or results of it are."""
    home = next((folder for folder in folders if (folder / "prompts" / name).is_dir()), None)
    return known.without_weights(name, home or folders[0]) if home or (published["plm"] == name).any() else None


def _prompts(folders: Sequence[Path], plms: Mapping[str, PlmInfo], tasks: Mapping[str, Task], refused: list[Refused]) -> list[PromptEntry]:
    owners = {plm.fingerprint: plm for plm in plms.values()}
    entries: dict[str, PromptEntry] = {}
    for path in (path for folder in folders for path in _prompt_files(folder / "prompts")):
        try:
            entry = _entry(path, owners, plms, tasks)
            if entry.name in entries:
                raise PromptError("another prompt has this name already", where=path, found=entries[entry.name].path,
                                  mend="Rename one of the two files.")  # fmt: skip
        except PtlibError as error:
            refused.append(Refused(str(path), str(error)))
        else:
            entries[entry.name] = entry
    return list(entries.values())


def _prompt_files(folder: Path) -> list[Path]:
    return sorted(path for depth in ("", "*/") for path in folder.glob(f"{depth}[!.]*.safetensors"))


def _entry(path: Path, owners: Mapping[str, PlmInfo], by_name: Mapping[str, PlmInfo], tasks: Mapping[str, Task]) -> PromptEntry:
    if not ID.fullmatch(path.stem):
        raise PromptError("the file's name cannot be an id", where=path, expected=NAMES, mend="Rename it.")
    story = safetensors_format.header(path)
    owner = owners.get(story["plm"]) or by_name.get(story["plm"].removeprefix(HUB) if story["plm"].startswith(HUB) else "")
    if owner is None:
        raise PromptError("its PLM is not in the library", where=path, found=story["plm"] if story["plm"].startswith(HUB) else f"fingerprint {story['plm'][:12]}",
                          mend="Add the PLM's folder under plms/.")  # fmt: skip
    if story["shape"][1] != owner.hidden:
        raise PromptError("the prompt is not as wide as its PLM", where=path, found=f"shape {story['shape']}",
                          expected=f"(length, {owner.hidden}) for {owner.id}",
                          mend="Choose a prompt trained for this PLM.")  # fmt: skip
    task = tasks.get(story["task"])
    return PromptEntry(f"{owner.id}/{path.stem}", path, story["digest"], owner.id, owner.fingerprint, story["task"],
                       task.type if task else "other" if story["kind"] == "trained" else story["kind"], story["seed"], story["kind"], *story["shape"],
                       story["insertion"], story["meta"])  # fmt: skip
