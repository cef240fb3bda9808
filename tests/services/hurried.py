"""The command line, with shorter time limits.

`hurried.py MODULE:NAME=SECONDS,… ARGUMENTS`, for tests of what happens once a limit is over.
"""

import importlib
import sys

from tune_tasks.cli import main

for limit in sys.argv.pop(1).split(","):
    place, _, seconds = limit.partition("=")
    module, _, name = place.partition(":")
    assert hasattr(importlib.import_module(module), name), place
    setattr(importlib.import_module(module), name, float(seconds))
sys.exit(main(sys.argv[1:]))
