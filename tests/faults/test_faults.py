"""The faults, without doing them to a sweep."""

import ast
import os
import signal
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.faults import KINDS, POINTS, Fault, random_faults
from tests.faults.specs import SWEEPS

HERE = Path(__file__).parent
ALL_POINTS = sorted({*POINTS, *(point for kind in SWEEPS.values() for point in kind.points)})
TALKS = """
class Talker:
    def talk(self):
        print("talks", flush=True)
"""


def test_every_kind_has_its_turn_and_a_seed_gives_the_same_faults_again():
    faults = list(random_faults(200, seed=1))
    count = Counter(fault.target for fault in faults)
    assert set(count) == set(KINDS)
    assert min(count.values()) >= 200 // len(KINDS)
    assert faults == list(random_faults(200, seed=1))
    assert faults != list(random_faults(200, seed=2))


def test_the_points_of_a_sweep_have_their_turn_first():
    further = SWEEPS["population"].points
    faults = list(random_faults(8, 1, further=further))
    assert [fault.target for fault in faults] == [*further, *KINDS[:4]]


@pytest.mark.parametrize("point", [p for p in ALL_POINTS if p.startswith("tune_tasks")])
def test_a_point_is_a_function_of_ours(point):
    module, _, qualified = point.partition(":")
    source = Path(find_spec("tune_tasks").origin).parents[1] / (module.replace(".", "/") + ".py")
    body = ast.parse(source.read_text()).body
    for name in qualified.split("."):
        (found,) = [node for node in body if getattr(node, "name", None) == name]
        body = found.body


@pytest.mark.processes
@pytest.mark.parametrize(("when", "said"), [("before", 1), ("after", 2)])
def test_a_process_dies_at_a_point_once(tmp_path, when, said):
    (tmp_path / "talking.py").write_text(TALKS)
    fault = Fault("talking:Talker.talk", at=2, when=when)
    marker = tmp_path / "was_done"
    command = [sys.executable, "-c", "import talking; [talking.Talker().talk() for _ in range(4)]"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE / 'points'}:{tmp_path}",
        "TUNE_TASKS_FAULT": f"{fault.at_a_point()}:{marker}",
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
    assert (process.returncode, out) == (-signal.SIGKILL, "talks\n" * said)
    assert int(marker.read_text()) == process.pid
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout == "talks\n" * 4
