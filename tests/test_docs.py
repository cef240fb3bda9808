"""The documents follow the code."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(
    sys.version_info >= (3, 13),
    reason="argparse writes an option's two names otherwise from 3.13 on",
)
def test_the_generated_parts_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.main(["--check"]) == 0


def test_every_module_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = {
        row.split("`")[1].rstrip("/"): row for row in text.splitlines() if row.startswith("| `")
    }
    rooms = [path.parent for path in (ROOT / "tune_tasks").glob("*/__init__.py")]
    assert {room.name for room in rooms} <= rows.keys()
    for room in rooms:
        modules = {path.relative_to(room).with_suffix("") for path in room.rglob("[!_]*.py")}
        assert {module for module in modules if f"`{module}`" not in rows[room.name]} == set()


def test_links_lead_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]:
        links = re.findall(r"\]\((?!http|#)([^)#]+)", document.read_text())
        assert [link for link in links if not (document.parent / link).exists()] == [], document
