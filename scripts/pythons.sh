#!/usr/bin/env bash
# Finds Pythons, and builds virtual environments with the versions that were tested together. Sourced by the other scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# build_venv FOLDER PYTHON WHAT...: a virtual environment with what pip is asked for
build_venv() {
  local folder=$1 python=$2 wanted
  shift 2
  wanted=$(cat pyproject.toml constraints.txt <(printf "%s\n" "$@") | cksum)
  [ "$(cat "$folder/.wanted" 2>/dev/null)" = "$wanted" ] && return
  echo "Setting up $folder with $("$python" --version) (some minutes, once) ..." >&2
  rm -rf "$folder"
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt "$@" >&2
  echo "$wanted" >"$folder/.wanted"
}

# find_python VERSION: the path of that Python, also if it is one of pyenv's that is not selected. The links are followed, because
# the first one on the PATH may be that of the environment that is about to be built anew.
find_python() {
  local candidate
  for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    [ -x "$candidate" ] && "$candidate" -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$1'.split('.'))))" 2>/dev/null &&
      readlink -f "$candidate" && return
  done
  return 1
}

PYTHONS="3.11 3.12 3.13"
python=
for version in $PYTHONS; do
  python=$(find_python "$version") && break
done
[ -n "$python" ] || { echo "tune-tasks needs one of Python $PYTHONS" >&2; exit 2; }
