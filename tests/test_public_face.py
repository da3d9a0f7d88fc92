import subprocess
import sys

import pytest

import ptlib

HEAVY = ("torch", "transformers", "streamlit", "plotly", "umap", "sklearn")


def loaded(code: str) -> set[str]:
    """Which heavy packages are imported after running some code in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_page_and_the_notebook_start_light():
    code = (
        "import ptlib, ptlib.library, ptlib.store, ptlib.runs.tables, ptlib.runs.queue, ptlib.runs.supervise, ptlib.runs.study, ptlib.cli"
    )
    assert loaded(code) == set()
    assert loaded("import ptlib.analysis.statistics, ptlib.analysis.projection, ptlib.analysis.relative") == set()


def test_the_library_needs_no_dashboard_packages():
    code = "for name in ('streamlit', 'plotly', 'umap'): sys.modules[name] = None\nimport ptlib\nfor name in ptlib.__all__: getattr(ptlib, name)"
    assert loaded(code) - {"streamlit", "plotly", "umap"} >= {"torch"}


@pytest.mark.parametrize("name", ptlib.__all__)
def test_every_public_name_exists_and_says_what_it_is(name):
    found = getattr(ptlib, name)
    assert name == "__version__" or found.__doc__


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="absent"):
        _ = ptlib.absent
