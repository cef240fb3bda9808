"""The toy of the paper on population based training, with a driver that dies at every exploit.

Jaderberg et al. 2017 (arXiv:1711.09846), section 4.1.1 and figure 2: maximise Q = 1.2 - (θ0² + θ1²)
by the gradient of a surrogate that is given, 1.2 - (h0 θ0² + h1 θ1²). θ begins at (0.9, 0.9); two
members have h = (0, 1) and (1, 0), so that neither can get beyond 0.39 alone. The settings h stay
in [0, 1]. Each member has 4 steps from one comparison to the next. (The second has 0.9 here: two
members that are equal for ever have nothing to take from one another.)

What is compared: members that go on from one another, the same without (each h fixed: a grid of
such h would find (1, 1), but the two that are there do not), and the first with a driver that dies
once each checkpoint was copied, and once before: the next one has nothing but the journal.

The trials are played here, by the core and the judge that decide in a sweep; no process is started.
With --real the population runs as a sweep of processes, once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Course
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    Event,
    MilestonesReached,
    SweepBegan,
    TakenOver,
)
from tune_tasks.sweep.instructions import CopyCheckpoint, Instruction
from tune_tasks.sweep.planning import make_plan

STEPS = 200
RATE = 0.02
EXPERIMENT: dict[str, Any] = {
    "metric": "q",
    "mode": "max",
    "num_trials": 2,
    "stop": {"training_iteration": STEPS},
    "scheduler": {"pbt": {"interval": 4, "quantile": 0.5, "resample": 0.25}},
    "try_first": [{"h.0": 0.0, "h.1": 1.0}, {"h.0": 0.9, "h.1": 0.0}],
    "config": {"h": [{"uniform": [0, 1]}, {"uniform": [0, 1]}]},
}
LOST = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "the sweep's driver died")
SCRIPT = """
import json
from tune_tasks import TrainingResult
def train(config, status_reporter):
    folder = status_reporter.restore()
    theta = json.loads((folder / "theta").read_text()) if folder else [0.9, 0.9]
    for step in range(1, 1_000_000):
        theta = [t - 0.02 * 2 * h * t for t, h in zip(theta, config["h"])]
        q = 1.2 - sum(t * t for t in theta)
        status_reporter.report(TrainingResult(timesteps_total=step, info={"q": q}))
        if status_reporter.wants_checkpoint:
            with status_reporter.checkpoint() as folder:
                (folder / "theta").write_text(json.dumps(theta))
"""


def moved(theta: tuple[float, ...], h: list[float]) -> tuple[float, ...]:
    """One step along the gradient of the surrogate."""
    return tuple(t - RATE * 2 * strength * t for t, strength in zip(theta, h, strict=True))


def quality(theta: tuple[float, ...]) -> float:
    """What is to be maximised."""
    return 1.2 - sum(t * t for t in theta)


def train(config: dict[str, Any], status_reporter: object) -> None:
    """Stands for the script: its trials are played here."""


@dataclass
class Member:
    """A trial that is played.

    Attributes:
        theta: Its weights.
        attempt: The number of its attempt.
        step: How many steps it has made.
    """

    course: Course
    theta: tuple[float, ...] = (0.9, 0.9)
    attempt: int = 1
    step: int = 0


@dataclass
class Play:
    """A population that is played, on a core.

    Attributes:
        seed: Of the exploring.
        exploits: Whether members go on from one another.
        dies: Whether the driver dies at each exploit, before the copy is made and after.
    """

    seed: int
    exploits: bool = True
    dies: bool = False
    copies: int = 0
    entries: list[tuple[Event, list[Instruction]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = self._core()
        self._tell(SweepBegan(0, 2))
        trials = [self.core.trial(f"e/{index}") for index in range(2)]
        self.members = [Member(Course(0, self.core.milestones(t)[0])) for t in trials]

    def best(self) -> float:
        """Play to the end; returns the best quality at the end."""
        for _ in range(STEPS):
            for index in range(2):
                self._step(index)
        return max(quality(member.theta) for member in self.members)

    def _step(self, index: int) -> None:
        member = self.members[index]
        member.theta = moved(member.theta, self.core.trial(f"e/{index}").config["h"])
        member.step += 1
        row = {"training_iteration": member.step, "info": {"q": quality(member.theta)}}
        reached = tuple(member.course.reached(row))
        if not reached or not self.exploits or member.step == STEPS:
            return
        key = f"e/{index}"
        self._tell(CheckpointKept(1, key, member.attempt, member.step, member.step))
        for wish in self._tell(MilestonesReached(1, key, member.attempt, member.step, reached)):
            if isinstance(wish, CopyCheckpoint):
                self._copy(index, wish, reached)

    def _copy(self, index: int, wish: CopyCheckpoint, reached: tuple[Any, ...]) -> None:
        member = self.members[index]
        key = wish.trial
        if self.dies:
            self._die()
            (wish,) = (
                each
                for each in self._tell(
                    MilestonesReached(1, key, member.attempt, member.step, reached)
                )
                if isinstance(each, CopyCheckpoint)
            )
        donor = int(wish.donor.rpartition("/")[2])
        member.theta = self.members[donor].theta
        copy = CheckpointRef(member.attempt, member.step, member.step, again=2)
        self._tell(CheckpointCopied(1, key, member.attempt, copy))
        self.copies += 1
        if self.dies:
            self._die()
            return
        outcome = Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, wish.reason)
        self._tell(AttemptEnded(1, key, member.attempt, outcome))
        member.attempt += 1

    def _die(self) -> None:
        """Another driver goes on, with what stands in the journal."""
        self.core = self._core()
        for event, then in self.entries:
            self.core.replay(event, then)
        self._tell(TakenOver(1))
        for key, attempt in self.core.running:
            self._tell(AttemptEnded(1, key, attempt, LOST))
            self.members[int(key[-1])].attempt += 1
        self._tell(SweepBegan(1, 2))

    def _core(self) -> Core:
        spec = spec_from_data({"e": EXPERIMENT | {"seed": self.seed}})
        return Core(core_experiments(make_plan(spec, callables={"e": train})))

    def _tell(self, event: Event) -> list[Instruction]:
        wishes = self.core.handle(event)
        self.entries.append((event, wishes))
        return wishes


def real() -> float:
    """The same as a sweep of processes; returns the best quality."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "toy.py").write_text(SCRIPT)
        config = EXPERIMENT["config"] | {"script_file_path": "toy.py"}
        spec = {"toy": EXPERIMENT | {"seed": 1, "resources": {"cpu": 0.5}, "config": config}}
        (Path(folder) / "toy.json").write_text(json.dumps(spec))
        command = [sys.executable, "-m", "tune_tasks.cli", "run", "-f", "toy.json", "--json"]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    trials = json.loads(done.stdout)["experiments"]["toy"]["trials"]
    return max(trial["last_result"]["info"]["q"] for trial in trials)


def main() -> None:
    """Print what each comes to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--real", action="store_true", help="as processes, once, too")
    args = parser.parse_args()
    seeds = range(1, args.seeds + 1)
    without = Play(1, exploits=False).best()
    found = [(play.best(), play.copies) for play in map(Play, seeds)]
    killed = [Play(seed, dies=True).best() for seed in seeds]
    values = [value for value, _ in found]
    print(f"h fixed, the better of two:        {without:.4f}")
    print(f"population, median of {len(seeds)} seeds:     {median(values):.4f}")
    print(f"            the worst of them:     {min(values):.4f}")
    print(f"            exploits, median:      {median(copies for _, copies in found):.0f}")
    print(f"the driver dies at every exploit:  {median(killed):.4f}")
    print(f"            the same to the digit: {killed == values}")
    print(f"            reaches 1.19:          {min(values) >= 1.19}")
    if args.real:
        print(f"as processes, one seed:            {real():.4f}")


if __name__ == "__main__":
    main()
