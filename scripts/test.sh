#!/usr/bin/env bash
# Lint, types and every test; with arguments, pytest with those: scripts/test.sh -m 'not services and not rllib'
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
export PATH="$PWD/.venv/bin:$PATH"
if [ $# -gt 0 ]; then
  exec pytest "$@"
fi
mkdir -p build
ruff check .
ruff format --check .
mypy
lint-imports
deptry tune_tasks flows
python docs/generate.py --check

# Coverage is measured where it costs little. Each process that tests services has one server and one cluster for all its
# files. Two keep two CPUs busy; more would only wait for one another. In order, because tests that start a cluster of their
# own come first
pytest -n auto --dist worksteal --cov --cov-report= -m 'not services and not rllib' | tee build/fast.log
pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 -m 'services or rllib' | tee build/rest.log
bash scripts/other_pythons.sh | tee build/other_pythons.log
python scripts/coverage_by_room.py

echo "Tests that ran:"
echo "  the fast part: $(tail -1 build/fast.log)"
echo "  services and RLlib: $(tail -1 build/rest.log)"
sed 's/^/  the fast part on /' build/other_pythons.log
