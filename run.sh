#!/usr/bin/env bash
# The door. ./run.sh opens the dashboard; ./run.sh test runs every check; ./run.sh help lists the rest.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$root/.venv
cd -- "$root"

say() { printf '%s\n' "run.sh: $*" >&2; }
fail() { say "$1"; say "To mend it: $2"; exit 1; }

find_python() {
  local candidate
  for candidate in "${PTLIB_PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is missing ($(python3 --version 2>/dev/null || echo 'no python3 at all'))." \
    "install it (Debian: apt-get install python3 python3-venv) or set PTLIB_PYTHON to its path."
}

install() {
  local python wanted free
  wanted=$(cksum < requirements.txt)
  [ -f "$venv/.installed" ] && [ "$(cat "$venv/.installed")" = "$wanted" ] && return
  python=$(find_python)
  "$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "this Python has no venv module ($python)." "install it (Debian: apt-get install python3-venv)."
  free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
  [ "$free" -ge 4 ] || fail "not enough disk: $free GB free in $root, 4 GB needed." "free some space or clone elsewhere."
  exec 9>"$root/.install.lock"
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  [ -f "$venv/.installed" ] && [ "$(cat "$venv/.installed")" = "$wanted" ] && return
  rm -f "$venv/.installed"
  say "installing requirements.txt into .venv (once; a few minutes) ..."
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" ||
    fail "the virtual environment could not be made in $venv." "check that the folder is writable, delete .venv, try again."
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt ||
    fail "the packages could not be installed (pip's message is above)." \
      "check the network or pip's index settings and run the same command again; it goes on where it stopped."
  printf '%s\n' "$wanted" > "$venv/.installed"
  exec 9>&-
}

lint() {
  "$venv/bin/ruff" check .
  "$venv/bin/ruff" format --check .
  "$venv/bin/lint-imports" --no-cache
}

dashboard() {
  mkdir -p -m 700 cache
  exec "$venv/bin/python" -m dashboard.serve "$@"
}

usage() {
  cat <<'TEXT'
./run.sh [OPTIONS]      open the dashboard; options go to streamlit (./run.sh --server.port 8600)
./run.sh test [ARGS]    every check: lint, walls, tests; arguments go to pytest
./run.sh lint           ruff and import-linter
./run.sh ptlib ...      the command line (./run.sh ptlib --help)
./run.sh bench [SUITE]  timings against peers, written to tests/bench/RESULTS.md; never part of the tests
TEXT
}

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
case "${1:-}" in
  help | -h | --help) usage ;;
  test)
    shift
    install
    # One thread a process: on shared cores torch is many times slower with two.
    export OMP_NUM_THREADS=1
    lint
    if [ "$#" -gt 0 ]; then exec "$venv/bin/python" -m pytest "$@"; fi
    exec "$venv/bin/python" -m pytest -n 2 --dist loadfile
    ;;
  lint) install; lint ;;
  ptlib) shift; install; exec "$venv/bin/python" -m ptlib "$@" ;;
  bench) shift; install; OMP_NUM_THREADS=1 exec "$venv/bin/python" -m tests.bench "$@" ;;
  "" | -*) install; dashboard "$@" ;;
  *) say "unknown command '$1'."; usage >&2; exit 2 ;;
esac
