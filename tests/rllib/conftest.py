"""What the tests of RLlib share.

A module that imports RLlib, which takes seconds, says so: `pytestmark = pytest.mark.rllib`.
"""

import pytest

# RLlib's own doing, which we cannot change:
WARNINGS = [
    # RLlib registers its vector environment anew for each env runner.
    "ignore:.*Overriding environment rllib-:UserWarning",
    # Ray Data warns of the settings that it makes for itself.
    "ignore:.*is deprecated:DeprecationWarning:ray.data.context",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("rllib"):
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
