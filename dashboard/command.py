"""``ptlib figure`` and ``ptlib study``: figures from recipes, and a study as one file, without a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dashboard import recipe
from dashboard.export import render
from dashboard.export.leaving import MIME
from dashboard.export.press import FONTS, SIZES
from dashboard.gallery import Fresh
from ptlib.errors import PtlibError, RunError
from ptlib.library import Library
from ptlib.store import Store

FORMS = tuple(form for form in MIME if form != "toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 2 with a sentence for what a user can mend."""
    options = _parser().parse_args(argv)
    try:
        return options.do(options)
    except PtlibError as error:
        print(f"ptlib: {error}", file=sys.stderr)
        return 2
    finally:
        render.renderer().close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ptlib")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    figure = verbs.add_parser("figure", help="figures from recipes", description="Makes the figure of a recipe, or those of all recipes of a folder.",
                              epilog="example: ptlib figure transfer-matrix.toml --out transfer.pdf")  # fmt: skip
    figure.set_defaults(do=_figure)
    figure.add_argument("recipe", type=Path, help="a recipe's TOML, or a folder of them (a paper's)")
    figure.add_argument("--out", type=Path, help=f"the file; its ending says the form: {', '.join(FORMS)}. Of a folder: where the files go "
                        "(default: beside the recipes)")  # fmt: skip
    figure.add_argument(
        "--formats", nargs="+", choices=FORMS, default=["pdf"], help="forms of each figure, where --out names no file (default: pdf)"
    )
    figure.add_argument("--size", choices=tuple(SIZES), help="another size than the recipe's")
    figure.add_argument("--font", choices=tuple(FONTS), help="another font than the recipe's")
    figure.add_argument("--partial", action="store_true", help="draw although cells are missing")
    study = verbs.add_parser("study", help="html: a study as one file", description="Writes a study as one HTML file that needs no network and no server.",
                             epilog="example: ptlib study html --out study.html --limit 100")  # fmt: skip
    study.set_defaults(do=_study)
    study.add_argument("form", choices=("html",))
    study.add_argument("--out", type=Path, default=Path("study.html"), help="the file (default: study.html)")
    study.add_argument("--title", default="Which soft prompts transfer, and why")
    study.add_argument("--plm", nargs="+", help="PLM ids (default: the library's); several can be switched on the page")
    study.add_argument("--tasks", nargs="+", default=(), help="target tasks (default: all)")
    study.add_argument("--sources", nargs="+", default=(), help="tasks the prompts were trained on (default: all)")
    study.add_argument("--seeds", nargs="+", type=int, default=(), help="prompt seeds (default: all)")
    study.add_argument("--limit", type=int, default=0, help="first N test examples (default: all)")
    study.add_argument("--published", action="store_true", help="results that came with an import")
    return parser


def _study(options: argparse.Namespace) -> int:
    from dashboard import study_page

    store, library = Store(), Library.open()
    chosen = [recipe.Chosen(plm, tuple(options.tasks), tuple(options.sources), tuple(options.seeds), options.limit, published=options.published)
              for plm in options.plm or [str(library.default_plm())]]  # fmt: skip
    text = study_page.html_of(Fresh(store, library), [one.view(library) for one in chosen], options.title)
    try:
        options.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError("the study cannot be written", where=options.out, found=error, mend="Name another place with --out.") from error
    print(f"{options.out}: {len(text.encode()) / 2**20:.1f} MiB")
    return 0


def _figure(options: argparse.Namespace) -> int:
    if not options.recipe.is_dir():
        single = options.out is not None and options.out.suffix
        forms = [options.out.suffix.lstrip(".")] if single else options.formats
        if forms[0] not in FORMS:
            raise RunError("no such form", where="--out", found=options.out.suffix, expected=f"one of {', '.join(FORMS)}")
        folder = options.out.parent if single else options.out or options.recipe.parent
        _make(options.recipe, folder, options.out.stem if single else options.recipe.stem, forms, Fresh(Store(), Library.open()), options)
        return 0
    recipes = sorted(options.recipe.rglob("*.toml"))
    if not recipes:
        raise RunError("no recipe is in this folder", where=options.recipe, expected="*.toml")
    source, failed = Fresh(Store(), Library.open()), 0
    for path in recipes:
        try:
            folder = (options.out or options.recipe) / path.parent.relative_to(options.recipe)
            _make(path, folder, path.stem, options.formats, source, options)
        except PtlibError as error:
            # One that cannot be made is no reason to leave the others.
            print(f"ptlib: {path}: {error}", file=sys.stderr)
            failed += 1
    return 2 if failed else 0


def _make(path: Path, folder: Path, name: str, forms: Sequence[str], source: Fresh, options: argparse.Namespace) -> None:
    told = recipe.read(path)
    leaving, notes = told.leaving(source, options.partial)
    chosen = told.print.__class__(options.size or told.print.size, options.font or told.print.font, told.print.grey, told.print.title)
    for note in notes:
        print(f"ptlib: {path}: {note}", file=sys.stderr)
    when = recipe.newest(source, leaving.view)
    for form in forms:
        made = folder / f"{name}.{form}"
        content = leaving.form(form, chosen, when)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made.write_bytes(content)
        except OSError as error:
            raise RunError("the figure cannot be written", where=made, found=error, mend="Name another place with --out.") from error
        print(made)


if __name__ == "__main__":
    sys.exit(main())
