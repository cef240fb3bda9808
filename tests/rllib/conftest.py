"""What the tests of RLlib share: they are outside of the fast part of the suite, for importing RLlib takes seconds."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.services)
