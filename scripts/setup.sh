#!/usr/bin/env bash
# Builds .venv with the versions that were tested together; does nothing if it is up to date. Sourced by the other scripts.
source "$(dirname "${BASH_SOURCE[0]}")/pythons.sh"
build_venv .venv "$python" -e '.[examples,rllib,dev]'
