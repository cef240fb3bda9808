"""What a sweep's records come to; of a million trials left, no more than some are made."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.leaderboard import leaderboard
from tune_tasks.results.report import report_text
from tune_tasks.results.words import report_lines
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.closing import Closing
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.outline import summary_of
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.records import Attempt, Records
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

pytestmark = pytest.mark.processes

RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=1)
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: bad")


def train(config, status_reporter):
    pass


def plan_of(trials):
    spec = {"exp": {"num_trials": trials, "config": {"lr": {"eval": "random.random()"}}}}
    return make_plan(spec_from_data(spec), callables={"exp": train}, seed=1)


def info_of(folder):
    experiment = ExperimentInfo("exp", folder, seed=1, num_trials=0, constants={})
    return SweepInfo("a-sweep", {"exp": experiment}, tracking_uri="", spec_text="", cwd=folder)


def records_of(plan, folder, outcomes):
    """Trials that have ended so; the others were never started."""
    records = Records(plan)
    for index, outcome in outcomes.items():
        trial = plan.experiments[0].trials[index]
        paths = AttemptPaths.of(folder, trial, 1)
        row = {"mean_loss": 1.0 + index, "timesteps_total": 1, "time_total_s": 2.0}
        record = records.of(trial)
        record.begin(Attempt(1, paths, None, None))
        record.status = AttemptStatus(
            AttemptInfo(trial, 1, paths.folder), outcome.state, Progress(1, 10, row), outcome
        )
        record.outcome = outcome
    return records


ENDED = {1: RETURNED, 4: FAILED, 7: RETURNED}


@pytest.mark.parametrize("listed", [20, 100])
def test_what_is_said_is_the_same_however_few_trials_are_listed(tmp_path, listed):
    plan = plan_of(2_000)
    records = records_of(plan, tmp_path, ENDED)
    some, whole = (
        summary_of(
            info_of(tmp_path),
            plan.experiments,
            records.some(unstarted),
            interrupted=True,
            at_end=True,
        )
        for unstarted in (listed, 2_000)
    )
    assert len(some.experiments[0].listed) == 3 + listed
    assert some == whole
    assert some.one_line() == whole.one_line()
    assert some.one_line().startswith("2000 trials: 1997 PENDING, 2 TERMINATED, 1 ERROR; failed: ")
    assert list(report_lines(some)) == list(report_lines(whole))
    assert some.as_json() == whole.as_json()
    assert some.dataframe().equals(whole.dataframe())
    if listed == 100:  # as many as a leaderboard has
        assert leaderboard(some.experiments[0]) == leaderboard(whole.experiments[0])
        assert list(report_text(some, some.experiments[0])) == list(
            report_text(whole, whole.experiments[0])
        )


class Trials:
    """A million trials that count how many of them are made."""

    def __init__(self):
        self.made = 0

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        self.made += 1
        return Trial("exp", index, f"script_{index}", "script", {}, {}, seed=0)


class Recorder(FakeRecorder):
    """Has pages for what it is given."""

    def close_sweep(self, summary, *, timeout_s):
        super().close_sweep(summary, timeout_s=timeout_s)
        located = [replace(e, mlflow_run_id="run") for e in summary.experiments]
        return replace(summary, experiments=located)


def test_the_end_of_a_sweep_makes_no_million_of_trials(tmp_path):
    trials = Trials()
    (planned,) = plan_of(1).experiments
    plan = SimpleNamespace(experiments=[replace(planned, trials=trials, indices=range(1_000_000))])
    records = records_of(plan, tmp_path, ENDED)
    info = info_of(tmp_path)
    recorder = Recorder()
    listener = SimpleNamespace(hear_the_last=lambda: None, restore=lambda record: None)
    task_runs = SimpleNamespace(settle=lambda: None, create_absent=lambda timeout_s: None)
    shown = []
    views = SimpleNamespace(
        run_view=SimpleNamespace(close=lambda summary, timeout_s: shown.append(summary)),
        display=SimpleNamespace(warn=shown.append),
    )
    closing = Closing(info, records, task_runs, recorder, listener, views, Patience())
    summary = closing.run(
        lambda: summary_of(info, plan.experiments, records.some(100), interrupted=True)
    )
    assert shown == [summary]
    assert leaderboard(shown[0].experiments[0]).rows[-1]["trial"] == "… 999949 more"
    assert trials.made <= 2 * 100
    (sent,), (experiment,) = recorder.closed.experiments, summary.experiments
    assert (len(sent.trials), sent.unlisted, sent.size) == (103, 999_897, 1_000_000)
    assert (experiment.mlflow_run_id, len(experiment.trials)) == ("run", 1_000_000)
    assert experiment.trials[-1].state is TrialState.PENDING
    assert Path(experiment.trials[7].logdir).parent == tmp_path


def test_a_trial_whose_last_report_is_not_allowed_is_infeasible(tmp_path):
    plan = plan_of(3)
    info = info_of(tmp_path)
    constraints = (parse_criterion("mean_loss", "<= 1.5"),)
    constrained = replace(info.experiments["exp"], constraints=constraints)
    excerpt = records_of(plan, tmp_path, {0: RETURNED, 1: RETURNED}).some(9)
    made = summary_of(
        replace(info, experiments={"exp": constrained}),
        plan.experiments,
        excerpt,
        interrupted=False,
    )
    (experiment,) = made.experiments
    said = [trial.infeasible for trial in experiment.trials]
    assert said == [None, "mean_loss 2 is not <= 1.5", None]
    assert experiment.constraints == constraints
