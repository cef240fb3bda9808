#!/usr/bin/env bash
# The fast tests, and those that start processes, on each further Python that this machine has, all at once. Without torch, and so
# without RLlib's tests. What computes for long has the same results on every Python. With `build`, their environments alone are made.
source "$(dirname "${BASH_SOURCE[0]}")/pythons.sh"

build() {
  # Not compiled: most modules are never imported, and the others are compiled at their import
  build_venv ".venv-$1" "$2" --no-compile -e '.[test]'
}

run_on() {
  local folder=.venv-$1
  build "$1" "$2"
  # Also if a thread that a test has left does not let the process end
  PATH="$PWD/$folder/bin:$PATH" timeout 900 "$folder/bin/python" -m pytest -p no:cacheprovider \
    -m 'not services and not rllib and not long' --ignore=tests/rllib
}

mkdir -p build
own=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
status=0
running=()
for version in $PYTHONS; do
  [ "$version" = "$own" ] && continue
  if found=$(find_python "$version"); then
    if [ "${1:-}" = build ]; then
      build "$version" "$found"
      continue
    fi
    (set -e; run_on "$version" "$found") >"build/python$version.log" 2>&1 &
    running+=("$!:$version")
  else
    echo "Python $version: not on this machine, so not tested" | tee "build/python$version.log"
  fi
done
for entry in "${running[@]}"; do
  version=${entry#*:}
  if wait "${entry%%:*}"; then
    echo "Python $version: $(tail -1 "build/python$version.log")"
  else
    status=1
    tail -100 "build/python$version.log"
    echo "Python $version: FAILED"
  fi
done
exit $status
