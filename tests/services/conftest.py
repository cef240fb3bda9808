"""Marks the tests of this folder, which start real services."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.services)
            # Because Prefect, Ray and MLflow warn of one another.
            item.add_marker(pytest.mark.filterwarnings("default"))
