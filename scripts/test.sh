#!/usr/bin/env bash
# Lint, types and every test; with arguments, pytest with those: scripts/test.sh -m fast
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -eq 0 ]; then
  # Beside what keeps one CPU busy; in a session of its own, so that all of it can be ended
  setsid bash scripts/other_pythons.sh build >/dev/null 2>&1 &
  building=$!
  trap 'kill -- "-$building" 2>/dev/null || true' EXIT
fi
source scripts/setup.sh
export PATH="$PWD/.venv/bin:$PATH"
# Else pytest rewrites every test anew, and each of the many processes that tests start compiles what it imports
unset PYTHONDONTWRITEBYTECODE
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

# Coverage is measured if it costs little. Each process that tests services has one server and one cluster for all its
# files. Two keep two CPUs busy; more would only wait for one another. In order, because tests that start a cluster of their
# own come first
pytest -n auto --dist worksteal --cov --cov-report= -m fast | tee build/fast.log
pytest -n auto --dist worksteal --cov --cov-append --cov-report= --durations=10 -m '(processes or long) and not services and not rllib' |
  tee build/slower.log
pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 -m 'services or rllib' | tee build/rest.log
wait "$building" || true # if it has failed, it is done again, and says why
trap - EXIT
bash scripts/other_pythons.sh | tee build/other_pythons.log
python scripts/coverage_by_room.py

echo "Tests that ran:"
echo "  the fast part: $(tail -1 build/fast.log)"
echo "  what starts processes or computes for long: $(tail -1 build/slower.log)"
echo "  services and RLlib: $(tail -1 build/rest.log)"
sed 's/^/  all of that but what computes for long, on /' build/other_pythons.log
