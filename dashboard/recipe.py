"""A figure's recipe: what was selected, how it was drawn and printed, and from which contents, as a short TOML; and the figure again.

Starting from names, it is drawn from the store without a page. The digests in it tell when what the names stand for is not what it was.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard import gallery
from dashboard.export.leaving import Leaving
from dashboard.export.press import Print
from dashboard.export.tables import csv
from dashboard.gallery import Drawn, Fresh
from dashboard.theme import Mode
from dashboard.view import View
from ptlib import __version__
from ptlib.analysis.indicators import INDICATORS
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.plms.device import DTYPES
from ptlib.published.scores import has_scores
from ptlib.runs import check_seeds, select
from ptlib.store import Store

PACKAGES = ("plotly", "kaleido", "numpy", "scipy", "scikit-learn", "umap-learn")
"""What decides a figure to the byte beside this program."""
FIRST = "# A figure's recipe. Make it again: ./run.sh ptlib figure THIS.toml --out figure.pdf\n"
WORDS = {str: "a text", list: "a list", bool: "true or false", int: "a whole number"}


@dataclass(frozen=True)
class Chosen:
    """What is selected, in names; empty lists take everything there is of the PLM."""

    plm: str
    tasks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    limit: int = 0
    """First test examples; 0 for all."""
    indicator: str = "ON"
    layers: tuple[int, ...] = ()
    """For ON, from 1."""
    insertion: str = ""
    dtype: str = "float32"
    published: bool = False
    further: tuple[str, ...] = ()
    """Prompts trained here, each a row of its own; empty for none."""

    def view(self, library: Library, mode: Mode = "light") -> View:
        """The selection. Raises PtlibError for names that are not here, a layer or an indicator that is none."""
        plm = library.plm(self.plm)
        if self.published and not has_scores(library, plm.id):
            raise RunError("no published results of this PLM are here", where=plm.id, mend="Bring them with: ptlib import thunlp FOLDER")
        if self.indicator not in INDICATORS:
            raise RunError("no such indicator", where="indicator", found=repr(self.indicator), expected=f"one of {', '.join(INDICATORS)}")
        if self.dtype not in DTYPES:
            raise RunError("unknown dtype", where="dtype", found=repr(self.dtype), expected=f"one of {', '.join(DTYPES)}")
        for layer in self.layers:
            if not 1 <= layer <= plm.layers:
                raise RunError("no such layer; they count from 1", where="layers", found=layer, expected=f"1 to {plm.layers}")
        check_seeds(library, plm.id, self.seeds)
        have = sorted({entry.seed for entry in library.given(plm.id) if entry.seed is not None})
        tasks = list(self.tasks) or library.tasks_for(plm.id, published=self.published)
        sources, seeds = list(self.sources) or library.sources_for(plm.id), sorted(self.seeds) or have
        picked = select(library, plm.id, tasks=tasks, sources=sources, seeds=seeds, limit=self.limit or None,
                        insertion=self.insertion or None, dtype=self.dtype, further=() if self.published else self.further)  # fmt: skip
        return View(plm, tasks, sources, seeds, self.limit or None, self.indicator, [layer - 1 for layer in self.layers] or None, picked, mode,
                    self.published, list(self.further))  # fmt: skip

    @classmethod
    def of(cls, view: View) -> Chosen:
        """The selection of a page."""
        return cls(view.plm.id, tuple(view.tasks), tuple(view.sources), tuple(view.seeds), view.limit or 0, view.indicator,
                   tuple(layer + 1 for layer in view.layers or ()), view.selection.insertion or "", view.selection.dtype, view.published,
                   tuple(view.further))  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How a figure is made."""

    figure: str
    select: Chosen
    settings: Mapping[str, Any] = field(default_factory=dict)
    print: Print = field(default_factory=Print)
    made: Mapping[str, str] = field(default_factory=dict)
    """Versions of the program and of what it draws with."""
    digests: Mapping[str, Any] = field(default_factory=dict)
    """plm, prompts, tasks: of what the names stood for; data: of the CSV; missing: cells that lacked then."""

    def to_toml(self) -> str:
        """The file's text."""
        parts = [FIRST + f"figure = {_value(self.figure)}"]
        usual = {entry.name: entry.default for entry in fields(Chosen)}
        chosen = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.select).items() if value != usual[name]
        }
        for name, table in (("select", chosen), ("settings", self.settings), ("print", asdict(self.print)), ("digests", self.digests),
                            ("made", self.made)):  # fmt: skip
            if table:
                parts.append(f"\n[{name}]\n" + "\n".join(f"{key} = {_value(value)}" for key, value in table.items()))
        return "\n".join(parts) + "\n"

    def leaving(self, source: Fresh, partial: bool = False) -> tuple[Leaving, list[str]]:
        """The figure drawn from the store, and sentences on what is not as it was.

        Args:
            partial: draw although cells are missing that were not when the recipe was written.

        Raises:
            PtlibError: names that are not here, other contents under them, cells that are missing, nothing to be drawn of.
        """
        view = self.select.view(source.library())
        self._check(source.library(), view)
        needs = gallery.figure(self.figure).needs
        missing, total = (0, 0) if view.published or not needs else source.missing(view.selection, needs)
        if missing > self.digests.get("missing", 0) and not partial:
            raise RunError(f"{missing} of {total} cells of this figure are not in the store", where=f"{self.figure}, {view.plm.id}",
                           mend=f"Compute them with: ptlib transfer {_options(self.select)}, or draw what is there with --partial.")  # fmt: skip
        drawn = gallery.draw(self.figure, source, view, self.settings)
        notes = [f"made with {name} {told}, here is {here}; the figure may differ in detail" for name, told in self.made.items()
                 if (here := versions().get(name)) is not None and here != told]  # fmt: skip
        if self.digests.get("data") not in (None, digest_of(drawn)):
            notes.append("the data is not what it was when the recipe was written: cells were added or computed anew")
        return Leaving(drawn, self.figure, view, self.settings), notes

    def _check(self, library: Library, view: View) -> None:
        here = contents(library, view)
        for name, what in (("plm", "the PLM's weights"), ("prompts", "the prompts"), ("tasks", "the tasks' data")):
            told = self.digests.get(name)
            if told is not None and told != here[name]:
                raise RunError(f"{what} are others than the recipe's", where=f"digests: {name}", found=here[name], expected=told,
                               mend="Bring those, or remove the line to take what is here.")  # fmt: skip


def write(leaving: Leaving, chosen: Print, library: Library, missing: int = 0) -> Recipe:
    """The recipe of a figure of the gallery that was drawn.

    Args:
        missing: cells of it that are not there.
    """
    view = leaving.view
    kind = gallery.figure(leaving.name)
    settings = {**kind.defaults, **leaving.settings}
    digests = {**contents(library, view), "data": digest_of(leaving.drawn), **({"missing": missing} if missing else {})}
    return Recipe(leaving.name, Chosen.of(view), settings, chosen, versions(), digests)


def contents(library: Library, view: View) -> dict[str, str]:
    """Digests of what the selection's names stand for: the PLM's weights, its prompts, the tasks' data and templates."""
    prompts = "".join(f"{name} {library.prompt(name).digest}\n" for name in sorted(view.selection.prompts) if name)
    tasks = "".join(f"{name} {_task(library, view, name)}\n" for name in sorted(view.tasks))
    return {"plm": view.plm.fingerprint[:16], "prompts": _short(prompts), "tasks": _short(tasks)}


def _task(library: Library, view: View, name: str) -> str:
    if view.published:
        return "published"
    return library.task(name).for_family(view.plm.family).digest(view.selection.split, view.limit)


def digest_of(drawn: Drawn) -> str:
    """Of the figure's data as CSV, when and where it was computed left out."""
    table = pd.DataFrame() if drawn.table is None else drawn.table
    return hashlib.sha256(csv(table.drop(columns=["seconds", "device", "created"], errors="ignore"))).hexdigest()[:16]


def newest(source: Any, view: View | None) -> str:
    """The day of the selection's newest result, "" where that is not known."""
    if view is None or view.published:
        return ""
    found = source.scores(view)["created"].max()
    return "" if pd.isna(found) else pd.Timestamp(found, unit="s", tz="UTC").strftime("%Y-%m-%d")


def versions() -> dict[str, str]:
    """This program, and what it draws with."""
    found = {"ptlib": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        inside = ", ".join(_value(one) for one in value)
        return f"[{inside}]" if len(inside) < 90 else "[\n" + "".join(f"  {_value(one)},\n" for one in value) + "]"
    # A JSON text is a TOML one, as long as it is not escaped to surrogates.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read(path: Path | str) -> Recipe:
    """A recipe from a file. Raises RunError: an unreadable file, an unknown or wrong field."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RunError("the recipe cannot be read", where=path, found=error, mend="Name a TOML file.") from error


def parse(text: str, where: str = "recipe") -> Recipe:
    """A recipe from its text; errors as :func:`read`."""
    try:
        story = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RunError("the recipe is no TOML", where=where, found=error, mend="Correct the line it names.") from error
    _check_fields(story, {"figure": str, "select": dict, "settings": dict, "print": dict, "made": dict, "digests": dict}, where)
    if "figure" not in story or "plm" not in story.get("select", {}):
        raise RunError("a recipe names a figure and a PLM", where=where, expected='figure = "..." and, under [select], plm = "..."')
    try:
        kind = gallery.figure(story["figure"])
        settings = story.get("settings", {})
        _check_fields(settings, {name: type(value) for name, value in kind.defaults.items()}, f"{where}: [settings]")
        chosen = Chosen(**_typed(Chosen, story["select"], f"{where}: [select]"))
        printed = Print(**_typed(Print, story.get("print", {}), f"{where}: [print]")).check()
        _check_fields(
            story.get("digests", {}), {"plm": str, "prompts": str, "tasks": str, "data": str, "missing": int}, f"{where}: [digests]"
        )
    except RunError as error:
        raise error if str(error.where).startswith(where) else RunError(
            error.what, where=f"{where}: {error.where}", found=error.found, expected=error.expected, mend=error.mend) from error  # fmt: skip
    return Recipe(story["figure"], chosen, settings, printed, story.get("made", {}), story.get("digests", {}))


def _typed(kind: type, story: dict[str, Any], where: str) -> dict[str, Any]:
    usual = {entry.name: entry.default for entry in fields(kind)}
    _check_fields(story, {name: list if isinstance(value, tuple) else type(value) if isinstance(value, str | int) else str for name, value in usual.items()}, where)  # fmt: skip
    for name, value in story.items():
        inner = int if name in ("seeds", "layers") else str
        if isinstance(value, list) and not all(isinstance(one, inner) and not isinstance(one, bool) for one in value):
            raise RunError(
                "wrong value", where=f"{where} {name}", found=repr(value)[:60], expected="whole numbers" if inner is int else "texts"
            )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in story.items()}


def _check_fields(story: dict[str, Any], known: Mapping[str, type], where: str) -> None:
    for name, value in story.items():
        if name not in known:
            raise RunError("unknown field", where=f"{where} {name}", expected=f"one of {', '.join(known) or 'none'}")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is int):
            raise RunError("wrong value", where=f"{where} {name}", found=repr(value)[:60], expected=WORDS.get(known[name], "a table"))


def _options(chosen: Chosen) -> str:
    parts = [f"--plm {chosen.plm}"]
    for name, values in (("tasks", chosen.tasks), ("sources", chosen.sources), ("seeds", chosen.seeds)):
        parts += [f"--{name} {' '.join(map(str, values))}"] if values else []
    parts += [f"--limit {chosen.limit}"] if chosen.limit else []
    parts += [f"--insertion {chosen.insertion}"] if chosen.insertion else []
    return " ".join([*parts, f"--dtype {chosen.dtype}"])


def draw(
    figure: str, *, plm: str, tasks: Sequence[str] = (), sources: Sequence[str] = (), seeds: Sequence[int] = (), limit: int = 0,
    indicator: str = "ON", layers: Sequence[int] = (), insertion: str = "", dtype: str = "float32", published: bool = False, further: Sequence[str] = (),
    mode: Mode = "light", store: Store | None = None, library: Library | None = None, **settings: Any,
) -> Drawn:  # fmt: skip
    """A figure in a notebook: the same as the page's, from the same store.

    Args:
        figure: its name in :data:`dashboard.gallery.FIGURES`. settings: its own settings.
        tasks, sources, seeds, layers: empty takes all; further: prompts trained here. limit: first test examples, 0 for all.

    Raises:
        PtlibError: names that are not here, or nothing to be drawn of.
    """
    chosen = Chosen(
        plm, tuple(tasks), tuple(sources), tuple(seeds), limit, indicator, tuple(layers), insertion, dtype, published, tuple(further)
    )
    library = library or Library.open()
    return gallery.draw(figure, Fresh(store or Store(), library), chosen.view(library, mode), settings)


def as_python(leaving: Leaving, library: Library) -> str:
    """A notebook cell that draws the figure; what is everything or as usual is not said."""
    chosen, usual = Chosen.of(leaving.view), {entry.name: entry.default for entry in fields(Chosen)}
    everything = replace(chosen, tasks=(), sources=(), seeds=()).view(library)
    said = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(chosen).items() if value != usual[name]}
    for name in ("tasks", "sources", "seeds"):
        if said.get(name) == list(getattr(everything, name)):
            del said[name]
    defaults = gallery.figure(leaving.name).defaults
    said |= {name: value for name, value in leaving.settings.items() if value != defaults[name]}
    given = "".join(f",\n    {name}={value!r}" for name, value in said.items())
    return (f"from dashboard import recipe\n\ndrawn = recipe.draw(\n    {leaving.name!r}{given},\n)\n"
            "drawn.figure  # drawn.table is the data behind it, drawn.caption says what it shows\n")  # fmt: skip
