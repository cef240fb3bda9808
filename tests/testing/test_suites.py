"""The suites for tests of what users write: each is exported, and named where people look."""

import re
from pathlib import Path

import tune_tasks.testing

FOLDER = Path(tune_tasks.testing.__file__).parent
ONLY_A_PART = {"RecorderFilesContract"}
"""Of another suite."""


def test_every_suite_is_exported_and_described():
    modules = FOLDER.glob("*_contract.py")
    defined = {
        name
        for module in modules
        for name in re.findall(r"^class (\w+Contract)\b", module.read_text(), re.MULTILINE)
    }
    suites = defined - ONLY_A_PART
    assert suites == {name for name in tune_tasks.testing.__all__ if name.endswith("Contract")}
    described = re.findall(r"^- .*", tune_tasks.testing.__doc__, re.MULTILINE)
    named = {name for line in described for name in re.findall(r"`(\w+)`", line.partition(":")[0])}
    assert named == set(tune_tasks.testing.__all__)
