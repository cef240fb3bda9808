"""`search: own`: a searcher of the user's, which only Python can give. The page's own example runs."""

import random
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.sweep.drivers import WELL
from tests.sweep.test_edited_search import Learning
from tune_tasks import Fate, Searcher
from tune_tasks.errors import UsageError
from tune_tasks.search.checked import Checked
from tune_tasks.search.observation import Observation
from tune_tasks.spec.domains import Categories, Steps, Unit
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep import launch
from tune_tasks.sweep.asking import Asker, proposers
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import AttemptEnded
from tune_tasks.sweep.own_searchers import not_from_a_file, own_searchers
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.request import Request, Session

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
SPACE = {"x": {"uniform": [0, 1]}, "layers": {"int": [1, 6]}, "kind": {"choice": ["a", "b"]}}
OWN = {"search": "own", "metric": "mean_loss", "num_trials": 8, "config": SPACE}


def train(config, status_reporter): ...


def planned(**experiments):
    callables = dict.fromkeys(experiments, train)
    return make_plan(spec_from_data(experiments), callables=callables, drawn_seed=1)


def example():
    """The names that the page's example defines, but for the sweep that it runs."""
    section = PAGE.read_text().partition("## A searcher of your own")[2].partition("\n## ")[0]
    names = {}
    for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        exec(block.replace("run_experiments(\n", "ran = dict(experiment=\n"), names)
    return names


EXAMPLE = example()


class TestThePagesExample(EXAMPLE["TestNearTheBest"]):
    """By its own suite."""


class Drawing(Searcher):
    def ask(self, history, index, rng):
        return lambda _name, scale: scale.at(rng.random())


class Raises(Searcher):
    def __init__(self, error):
        self.error = error

    def ask(self, history, index, rng):
        raise self.error


class Answers(Searcher):
    """Answers with what is no coordinate of Python's own."""

    def __init__(self, said):
        self.said = said

    def ask(self, history, index, rng):
        return lambda _name, _scale: self.said


class Own(Learning):
    """A driver of the page's example, whose trials run one after the other."""

    def __init__(self, folder, **keys):
        spec = {"mine": EXAMPLE["ran"]["experiment"].as_spec() | {"seed": EXAMPLE["ran"]["seed"]}}
        super().__init__(Request(spec=spec, local_dir=str(folder), **keys), room=1 + LOOKAHEAD)
        self.settle()

    def proposers(self):
        return proposers(self.plan, own_searchers(self.plan, EXAMPLE["ran"]["searcher"]))

    def run(self, count):
        """So many trials end; returns the losses of all that have run."""
        for _ in range(count):
            ((key, attempt),) = self.core.running
            reports = []
            train = EXAMPLE["ran"]["experiment"].trainable
            train(self.core.trial(key).config, partial(_report, reports))
            self.tell(AttemptEnded(self.now, key, attempt, WELL, reports[-1]))
            self.settle()


def _report(reports, **row):
    reports.append(row)


def test_the_pages_example_goes_on_after_a_kill_as_if_there_had_been_none(tmp_path):
    whole = Own(tmp_path / "whole")
    whole.run(40)
    assert whole.is_over
    killed = Own(tmp_path / "killed")
    killed.run(17)
    killed.die()
    second = Own(tmp_path / "killed", resume="last")
    second.run(23)
    assert second.is_over
    trials = list(second.plan.trials())
    assert trials == list(whole.plan.trials())
    assert {trial.proposed_by for trial in trials} == {"own"}
    assert min(abs(trial.config["x"] - 0.3) for trial in trials[20:]) < 0.05
    whole.die()
    second.die()


@pytest.mark.parametrize(
    ("experiments", "given", "message"),
    [
        ({"e": OWN}, None, "e: search: own is a searcher of your own, and there is none"),
        (
            {"e": {"config": {"a": 1}}},
            Drawing(),
            "searcher: nobody asks it; write search: own in an experiment (e has search: random)",
        ),
        (
            {"e": {**OWN, "search": "tpe"}},
            {"e": Drawing()},
            "searcher: e has search: tpe; to have yours asked write search: own",
        ),
        (
            {"mine": OWN},
            {"mind": Drawing()},
            "searcher: there is no experiment 'mind'; did you mean 'mine'? (known: mine)",
        ),
        (
            {"mine": OWN, "yours": OWN},
            {"X": Drawing()},
            "searcher: there is no experiment 'X' (known: mine, yours)",
        ),
        (
            {"a": OWN, "b": OWN},
            {"a": Drawing()},
            "b: search: own is a searcher of your own, and 'b' is not in searcher",
        ),
        ({"e": OWN}, Drawing, "searcher: expected a tune_tasks.Searcher, or one for each"),
        ({"e": OWN}, {"e": print}, "searcher: e: expected a tune_tasks.Searcher, or one for each"),
        ({"e": OWN}, "mine", "searcher: expected a tune_tasks.Searcher, or one for each"),
    ],
)
def test_what_does_not_go_together_is_refused(experiments, given, message):
    with pytest.raises(UsageError) as raised:
        own_searchers(planned(**experiments), given)
    assert str(raised.value).startswith(message)


def test_a_class_in_place_of_a_searcher_is_said_as_such():
    with pytest.raises(UsageError, match=r"got the class; write Drawing\(\.\.\.\)"):
        own_searchers(planned(e=OWN), Drawing)


def test_one_searcher_is_for_all_and_several_are_by_name():
    plan = planned(a=OWN, b=OWN, c={"config": {"z": 1}})
    one, other = Drawing(), Drawing()
    assert own_searchers(plan, one) == {"a": one, "b": one}
    assert own_searchers(plan, {"a": one, "b": other}) == {"a": one, "b": other}


def test_it_is_refused_before_anything_is_started(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="e: search: own is a searcher of your own"):
        launch.check(Request(spec={"e": OWN}), Session({"e": train}))
    assert launch.check(Request(spec={"e": OWN}), Session({"e": train}, searcher=Drawing()))


def test_a_failure_has_the_line_of_the_searcher_and_not_of_a_library_that_it_calls():
    class Library(Searcher):
        def ask(self, history, index, rng):
            return rng.choice([])

    _, (warning,) = answer_of(Library())
    assert "IndexError" in warning
    assert f"({__file__}:" in warning


def test_a_failure_that_cannot_say_what_it_is_is_one_too():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    class Raising(Searcher):
        def ask(self, history, index, rng):
            raise Mute

    point, (warning,) = answer_of(Raising())
    assert point
    assert "Mute: <exception str() failed>" in warning


def test_the_command_line_says_what_it_cannot_run():
    (warning,) = not_from_a_file(planned(e=OWN, c={"config": {"z": 1}}))
    assert warning.startswith("e: search: own: the command line cannot run it; only Python")


def test_what_is_known_already_needs_no_searcher():
    plan = planned(e=OWN)
    plan.experiments[0].expansion.points.update((i, {"x": 0.5, "layers": 2}) for i in range(8))
    assert own_searchers(plan, None) == {}


def answer_of(searcher):
    """What comes of a question in a sweep: the point, and what people are told."""
    warned = []
    plan = planned(e=OWN)
    asker = Asker(proposers(plan, {"e": searcher}), warned.append)
    asker.ask("e/0", [])
    answers = []
    while not answers:
        answers = list(asker.answers())
    assert not asker.is_open
    ((key, point),) = answers
    assert (key, point.keys()) == ("e/0", SPACE.keys())
    return point, warned


@pytest.mark.parametrize(
    ("searcher", "said"),
    [
        (Raises(ValueError("no luck")), rf"ValueError: no luck \({__file__}:\d+\)$"),
        (Raises(SystemExit(3)), "SystemExit: 3 "),
        (Answers("a"), r"TypeError: x: expected a coordinate on Unit\(\), or None; got 'a'$"),
        (Answers(float("nan")), "ValueError: x: expected a coordinate .*; got nan$"),
    ],
)
def test_one_that_fails_costs_one_proposal(searcher, said):
    point, (warning,) = answer_of(searcher)
    assert point == planned(e=OWN).experiments[0].expansion.resolved(0).point
    prefix = "e/0: its values are drawn, because your searcher has failed: "
    assert warning.startswith(prefix)
    assert re.match(said, warning.removeprefix(prefix))


def test_one_that_answers_with_no_function_fails():
    class Point(Searcher):
        def ask(self, history, index, rng):
            return {"x": 0.5}

    _, (warning,) = answer_of(Point())
    assert "ask() is to return a function of a parameter's name and scale" in warning


@pytest.mark.parametrize(
    ("said", "scale", "coordinate"),
    [
        (np.float64(0.25), Unit(), 0.25),
        (np.int64(3), Steps(1, 6), 3),
        (2.0, Categories(3), 2),
        (None, Unit(), None),
    ],
)
def test_an_answer_is_a_number_of_pythons_own(said, scale, coordinate):
    found = Checked(Answers(said)).ask([], 0, random.Random(1))("x", scale)
    assert (type(found), found) == (type(coordinate), coordinate)


def test_what_it_is_shown_is_a_copy():
    class Meddles(Searcher):
        def ask(self, history, index, rng):
            history[0].point.clear()
            history.clear()
            return lambda _name, _scale: None

    history = [Observation(0, {"x": 0.5}, Fate.FINISHED, 1.0)]
    Checked(Meddles()).ask(history, 1, random.Random(1))
    assert history == [Observation(0, {"x": 0.5}, Fate.FINISHED, 1.0)]
