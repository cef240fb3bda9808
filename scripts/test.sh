#!/usr/bin/env bash
# Lint, types and every test; with arguments, pytest with those: scripts/test.sh -m 'not services and not rllib'
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
export PATH="$PWD/.venv/bin:$PATH"
if [ $# -gt 0 ]; then
  exec pytest "$@"
fi
ruff check .
ruff format --check .
mypy
lint-imports
python docs/generate.py --check
exec pytest --durations=10
