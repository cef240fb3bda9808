"""Print how much of each room the tests without services cover; fail below a floor.

Reads what `pytest --cov` has measured, lines and branches. A room without a floor is tested for
the most part by the tests with real services, which are not measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

# What decides, and is pure. In per cent.
FLOORS = {
    "model": 95,
    "spec": 95,
    "convert": 95,
    "search": 95,
    "results": 95,
    "sweep/core": 95,
}


@dataclass
class Tally:
    """What there is in a room, and what of it was executed: lines and branches."""

    covered: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """The share in per cent."""
        return 100 * self.covered / self.total if self.total else 100.0


def main() -> int:
    """Print the table; returns 1 if a room is below its floor."""
    rooms = by_room(measured())
    missing = FLOORS.keys() - rooms.keys()
    too_low = [
        room for room, floor in FLOORS.items() if room in rooms and rooms[room].percent < floor
    ]
    print("Coverage of the tests without services, lines and branches:")
    for room, tally in sorted(rooms.items()):
        floor = f"  (floor {FLOORS[room]} %)" if room in FLOORS else ""
        print(f"  {room:12} {tally.percent:5.1f} %{floor}{'  TOO LOW' if room in too_low else ''}")
    if missing:
        print(f"No room to measure: {', '.join(sorted(missing))}")
    return 1 if too_low or missing else 0


def measured() -> dict[str, dict[str, dict[str, int]]]:
    """Return coverage's figures by file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        # -i: a test may have executed code that says it is from a file of ours that is not there
        command = [sys.executable, "-m", "coverage", "json", "-q", "-i", "-o", report]
        subprocess.run(command, check=True)
        files: dict[str, dict[str, dict[str, int]]] = json.loads(report.read_text())["files"]
        return files


def by_room(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Tally]:
    """Add the files up by room; `sweep/core` is one, too: all files that begin like that."""
    rooms: dict[str, Tally] = defaultdict(Tally)
    for file, figures in files.items():
        for room in rooms_of(file):
            summary = figures["summary"]
            rooms[room].covered += summary["covered_lines"] + summary["covered_branches"]
            rooms[room].total += summary["num_statements"] + summary["num_branches"]
    return rooms


def rooms_of(file: str) -> list[str]:
    """Return the rooms that a file counts for: its folder, and a part of one with a floor."""
    path = Path(file).with_suffix("")
    inside = path.relative_to("tune_tasks") if path.parts[0] == "tune_tasks" else path
    room = inside.parts[0] if len(inside.parts) > 1 else "(doors)"
    parts = (name for name in FLOORS if "/" in name and inside.as_posix().startswith(name))
    return [room, *parts]


if __name__ == "__main__":
    sys.exit(main())
