"""What the tests of RLlib share.

A module that imports RLlib, which takes seconds, says so: `pytestmark = pytest.mark.rllib`.
"""

import pytest

MARK = "pytest.mark.rllib"
# RLlib's own doing, which we cannot change:
WARNINGS = [
    # RLlib registers its vector environment anew for each env runner.
    "ignore:.*Overriding environment rllib-:UserWarning",
    # Ray Data warns of the settings that it makes for itself.
    "ignore:.*is deprecated:DeprecationWarning:ray.data.context",
]


def pytest_ignore_collect(collection_path, config):
    """Leave out a module of RLlib's if its tests are deselected, because collecting imports it."""
    if "not rllib" in config.option.markexpr and collection_path.suffix == ".py":
        return True if MARK in collection_path.read_text() else None
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("rllib"):
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))
