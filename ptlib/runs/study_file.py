"""A run as a short TOML that is readable in a diff: what is to be evaluated, in names. Imports no torch.

Starting one does only what is missing; the cells' keys are made from contents when it is started.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.plms.describe import PlmInfo
from ptlib.plms.device import DTYPES
from ptlib.prompts.insertion import family_insertions
from ptlib.runs.plan import VERSIONS, Cell, Selection, check_seeds, score_cells, select, settings_of, stimulation_cells, until_clear
from ptlib.runs.queue import ENGINES

NO_PROMPT = "no prompt"
FIELDS = {"plm": str, "fingerprint": str, "prompts": list, "sources": list, "seeds": list, "baselines": bool, "tasks": list, "split": str,
          "limit": int, "dtype": str, "insertion": str, "until_clear": (bool, float), "stimulations": bool, "scores": bool}  # fmt: skip
JOB = {"kind": str, "plm": str, "fingerprint": str, "prompt": str, "task": str, "split": str, "limit": int, "dtype": str, "insertion": str,
       "settings": dict}  # fmt: skip
TOP = {"title": str, "engine": str, "priority": int, "select": list, "job": list}
WORDS = {str: "a text", list: "a list", bool: "true or false", int: "a whole number", (bool, float): "true or a width such as 0.3",
         dict: "a table"}  # fmt: skip
JOBS = tuple(kind for kind in VERSIONS if kind not in ("score", "stimulation"))


@dataclass(frozen=True)
class Part:
    """One selection of a study."""

    selection: Selection
    until: bool | float = False
    """Stop each cell when it is clear: True chooses the interval's width."""
    stimulations: bool = True
    scores: bool = True

    def cells(self, library: Library) -> list[Cell]:
        """Its cells. Raises PtlibError as :func:`ptlib.runs.plan.plan`."""
        found = stimulation_cells(library, self.selection) if self.stimulations else []
        scores = score_cells(library, self.selection) if self.scores else []
        return found + (until_clear(library, scores, None if self.until is True else self.until) if self.until else scores)


@dataclass(frozen=True)
class StudyFile:
    """What a run is started from."""

    title: str
    parts: tuple[Part, ...]
    engine: str = "local"
    priority: int = 0
    jobs: tuple[Cell, ...] = ()
    """Trainings and the like, one by one."""

    def cells(self, library: Library) -> list[Cell]:
        """All its cells, those without a result and those with one. Raises PtlibError as :func:`ptlib.runs.plan.plan`."""
        found = {cell.key: cell for part in self.parts for cell in part.cells(library)}
        return list((found | {cell.key: cell for cell in self.jobs}).values())

    def to_toml(self, library: Library) -> str:
        """The file's text; prompts by their tasks and seeds where that names the same ones, one by one elsewhere."""
        lines = ["# A study: what is to be evaluated. Start it, or what of it is missing: ./run.sh ptlib runs start FILE",
                 f"title = {_text(self.title)}"]  # fmt: skip
        lines += [f"engine = {_text(self.engine)}"] if self.engine != "local" else []
        lines += [f"priority = {self.priority}"] if self.priority else []
        for part in self.parts:
            lines += ["", "[[select]]", *_lines(library, part)]
        for cell in self.jobs:
            lines += ["", "[[job]]", *_job_lines(cell)]
        return "\n".join(lines) + "\n"


def read(path: Path | str, library: Library) -> StudyFile:
    """A study from a file.

    Raises:
        RunError: an unreadable file, an unknown or wrong field, or a name that is not in the library.
    """
    try:
        return parse(Path(path).read_text(encoding="utf-8"), library, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RunError("the study cannot be read", where=path, found=error, mend="Name a TOML file.") from error


def parse(text: str, library: Library, where: str = "study") -> StudyFile:
    """A study from its text; errors as :func:`read`."""
    try:
        story = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunError("the study is no TOML", where=where, found=error, mend="Correct the line it names.") from error
    _check(story, TOP, where)
    engine = story.get("engine", "local")
    if engine not in ENGINES:
        raise RunError("unknown engine", where=f"{where}: engine", found=repr(engine), expected=f"one of {list(ENGINES)}")
    if not story.get("select") and not story.get("job"):
        raise RunError("the study selects nothing", where=where, expected="at least one [[select]] or [[job]]", mend='For example: [[select]] and plm = "zoo-64-s1".')  # fmt: skip
    parts = tuple(_part(entry, library, f"{where}: [[select]] {number}") for number, entry in enumerate(story.get("select", []), 1))
    jobs = tuple(_job(entry, library, f"{where}: [[job]] {number}") for number, entry in enumerate(story.get("job", []), 1))
    return StudyFile(story.get("title", Path(where).stem), parts, engine, story.get("priority", 0), jobs)


def _check(story: Any, fields: dict[str, Any], where: str) -> None:
    if not isinstance(story, dict):
        raise RunError("not a table", where=where, found=repr(story)[:60])
    for name, value in story.items():
        if name not in fields:
            raise RunError("unknown field", where=f"{where}: {name}", expected=f"one of {list(fields)}")
        kind = fields[name]
        # A bool is an int in Python, not in TOML.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise RunError("wrong value", where=f"{where}: {name}", found=repr(value)[:60], expected=WORDS[kind])
        if kind is list and fields is FIELDS and not all(isinstance(one, int if name == "seeds" else str) for one in value):
            raise RunError(
                "wrong value", where=f"{where}: {name}", found=repr(value)[:60], expected="whole numbers" if name == "seeds" else "texts"
            )


def _common(entry: dict, library: Library, where: str) -> tuple[PlmInfo, str]:
    """The PLM and the dtype, after a look at the fields that parts and jobs share."""
    plm = library.plm(entry.get("plm") or str(library.default_plm()))
    if not plm.fingerprint.startswith(entry.get("fingerprint", "")):
        raise RunError("the PLM's weights are others than the study's", where=f"{where}: fingerprint", found=plm.fingerprint[:12],
                       expected=entry["fingerprint"], mend="Remove the field to take the weights that are here.")  # fmt: skip
    dtype = entry.get("dtype", "float32")
    if dtype not in DTYPES:
        raise RunError("unknown dtype", where=f"{where}: dtype", found=repr(dtype), expected=f"one of {list(DTYPES)}")
    if entry.get("limit", 1) < 1:
        raise RunError("not a number of examples", where=f"{where}: limit", found=entry["limit"], expected="1 or more")
    if entry.get("split", "test") not in ("train", "validation", "test"):
        raise RunError("unknown split", where=f"{where}: split", found=repr(entry["split"]), expected="train, validation or test")
    return plm, dtype


def _job(entry: Any, library: Library, where: str) -> Cell:
    _check(entry, JOB, where)
    if entry.get("kind") not in JOBS:
        raise RunError("unknown kind", where=f"{where}: kind", found=repr(entry.get("kind")), expected=f"one of {list(JOBS)}")
    plm, dtype = _common(entry, library, where)
    offered = family_insertions(plm.family)
    prompt = library.prompt(entry["prompt"]) if entry.get("prompt") else None
    insertion = entry.get("insertion") or (prompt.insertion if prompt else offered[0])
    if insertion not in offered:
        raise RunError("this insertion is not defined for the PLM's family", where=f"{where}: insertion", found=repr(insertion),
                       expected=f"one of {list(offered)}")  # fmt: skip
    task, split, limit = entry.get("task", ""), entry.get("split", "test"), entry.get("limit")
    digest = library.task(task).for_family(plm.family).digest(split, limit) if task else ""
    return Cell(entry["kind"], plm.id, plm.fingerprint, prompt.digest if prompt else "", prompt.name if prompt else "", insertion, dtype,
                task, digest, split if task else "", limit, None, settings_of(**entry.get("settings", {})))  # fmt: skip


def _part(entry: Any, library: Library, where: str) -> Part:
    _check(entry, FIELDS, where)
    plm, dtype = _common(entry, library, where)
    check_seeds(library, plm.id, entry.get("seeds"))
    chosen = select(library, plm.id, tasks=entry.get("tasks"), sources=entry.get("sources"), seeds=entry.get("seeds"),
                    baselines=entry.get("baselines", True), split=entry.get("split", "test"), limit=entry.get("limit"),
                    insertion=entry.get("insertion"), dtype=dtype)  # fmt: skip
    if "prompts" in entry:
        names = tuple("" if name == NO_PROMPT else library.prompt(name).name for name in entry["prompts"])
        chosen = Selection(chosen.plm, names, chosen.tasks, chosen.split, chosen.limit, chosen.dtype, chosen.insertion)
    return Part(chosen, entry.get("until_clear", False), entry.get("stimulations", True), entry.get("scores", True))


def _lines(library: Library, part: Part) -> list[str]:
    chosen, plm = part.selection, library.plm(part.selection.plm)
    lines = [f"plm = {_text(plm.id)}", f"fingerprint = {_text(plm.fingerprint[:12])}", *_prompts(library, chosen)]
    if part.scores:
        lines.append(f"tasks = {_list(chosen.tasks)}")
    for name, value, usual in (("split", chosen.split, "test"), ("limit", chosen.limit, None), ("dtype", chosen.dtype, "float32"),
                               ("insertion", chosen.insertion, None), ("until_clear", part.until, False),
                               ("stimulations", part.stimulations, True), ("scores", part.scores, True)):  # fmt: skip
        if value != usual:
            lines.append(f"{name} = {_text(value)}")
    return lines


def _job_lines(cell: Cell) -> list[str]:
    lines = [f"kind = {_text(cell.kind)}", f"plm = {_text(cell.plm_id)}", f"fingerprint = {_text(cell.plm[:12])}"]
    usual = {"prompt": "", "task": "", "split": "test" if cell.task else "", "limit": None, "dtype": "float32"}
    told = {"prompt": cell.prompt_name, "task": cell.task, "split": cell.split, "limit": cell.limit, "dtype": cell.dtype}
    lines += [f"{name} = {_text(value)}" for name, value in told.items() if value != usual[name]]
    return [*lines, f"insertion = {_text(cell.insertion)}", *([f"settings = {_inline(cell.told)}"] if cell.settings else [])]


def _inline(value: object) -> str:
    """JSON as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)} = {_inline(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return _text(value)


def _prompts(library: Library, chosen: Selection) -> list[str]:
    entries = [library.prompt(name) for name in chosen.prompts if name]
    trained = [entry for entry in entries if entry.kind == "trained"]
    sources, seeds = list(dict.fromkeys(entry.task for entry in trained)), sorted({entry.seed for entry in trained} - {None})
    for baselines in (True, False):
        alike = select(library, chosen.plm, sources=sources, seeds=seeds or None, baselines=baselines)
        if sources and set(alike.prompts) == set(chosen.prompts):
            return [f"sources = {_list(sources)}", *([f"seeds = {seeds}"] if seeds else []), *([] if baselines else ["baselines = false"])]
    return [f"prompts = {_list([name or NO_PROMPT for name in chosen.prompts])}"]


def _text(value: object) -> str:
    # A JSON text is a TOML one, as long as it is not escaped to surrogates.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: Sequence[str]) -> str:
    inside = ", ".join(_text(value) for value in values)
    return f"[{inside}]" if len(inside) < 90 else "[\n" + "".join(f"  {_text(value)},\n" for value in values) + "]"


def of_cells(library: Library, cells: Sequence[Cell], title: str, engine: str = "local", priority: int = 0) -> StudyFile:
    """The study that selects exactly these cells.

    Raises:
        PtlibError: a PLM, prompt or task that is not in the library any more.
    """
    rooms: dict[tuple, dict[str, list[str]]] = {}
    jobs = tuple(cell for cell in cells if cell.kind in JOBS)
    for cell in (cell for cell in cells if cell.kind not in JOBS):
        entry = library.prompt(cell.prompt_name) if cell.prompt_name else None
        own = entry is None or entry.insertion == cell.insertion
        room = (cell.plm_id, cell.split, cell.limit, cell.dtype, None if own else cell.insertion, cell.until if cell.until else False)
        rooms.setdefault(room if cell.kind == "score" else (cell.plm_id, "", None, cell.dtype, None if own else cell.insertion, None), {}).setdefault(cell.task, []).append(cell.prompt_name)  # fmt: skip
    parts: list[Part] = []
    stimulated = {(room[0], room[3], room[4]): tuple(names[""]) for room, names in rooms.items() if room[5] is None}
    for (plm, split, limit, dtype, insertion, until), names in rooms.items():
        if until is None:
            continue
        alike: dict[tuple[str, ...], list[str]] = {}
        for task, prompts in names.items():
            alike.setdefault(tuple(prompts), []).append(task)
        for prompts, tasks in alike.items():
            both = set(stimulated.get((plm, dtype, insertion), ())) == set(prompts) - {""}
            if both:
                del stimulated[plm, dtype, insertion]
            parts.append(Part(Selection(plm, prompts, tuple(tasks), split, limit, dtype, insertion), until, stimulations=both))
    parts += [Part(Selection(plm, names, (), "test", None, dtype, insertion), scores=False) for (plm, dtype, insertion), names in stimulated.items()]  # fmt: skip
    return StudyFile(title, tuple(parts), engine, priority, jobs)
