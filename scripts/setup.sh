#!/usr/bin/env bash
# Builds .venv with the versions that were tested together; does nothing where it is up to date. Sourced by the other scripts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ "$(cat .venv/.wanted 2>/dev/null)" != "$wanted" ]; then
  for python in python3.11 python3.12 python3.13 python3; do
    command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' && break
    python=
  done
  [ -n "$python" ] || { echo "tune-tasks needs Python 3.11, 3.12 or 3.13" >&2; exit 2; }
  echo "Setting up .venv with $("$python" --version) (some minutes, once) ..." >&2
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[examples,rllib,dev]' >&2
  echo "$wanted" >.venv/.wanted
fi
