#!/usr/bin/env bash
# tune-tasks from this checkout: scripts/run.sh -f examples/tune_mnist_ray.yaml
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec .venv/bin/tune-tasks "$@"
