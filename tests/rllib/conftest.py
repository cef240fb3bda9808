"""What the tests of RLlib share.

They are outside of the fast part of the suite, for importing RLlib takes seconds.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# They import none of RLlib
FAST = {HERE / f"test_{name}.py" for name in ("checkpoints", "results", "shares")}
# RLlib's own doing, which we cannot change:
WARNINGS = [
    # Its vector environment is registered anew for each env runner
    "ignore:.*Overriding environment rllib-:UserWarning",
    # Ray Data, of the settings that it makes for itself
    "ignore:.*is deprecated:DeprecationWarning:ray.data.context",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and item.path not in FAST:
            item.add_marker(pytest.mark.rllib)
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
