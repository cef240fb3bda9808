"""RLlib's algorithms as trials, through the flow.

How they are placed, stopped, checkpointed, continued and played.
"""

import itertools
import json
import os
import re
from pathlib import Path

import pytest
import ray

from tests.services.test_command import processes_of
from tests.services.waiting import until
from tune_tasks.model.trial import TrialState

pytestmark = [
    pytest.mark.rllib,
    pytest.mark.services,
    # Because Prefect, Ray and MLflow warn of one another.
    pytest.mark.filterwarnings("default"),
]

ROOT = Path(__file__).parents[2]
SMALL = {"train_batch_size_per_learner": 200, "minibatch_size": 100, "num_epochs": 1}


@pytest.fixture
def train(cluster, folder):
    """Trains in this process: `train(alg="PPO", config=..., stop=...)` returns the summary."""
    from tune_tasks import run_experiments

    def run(**experiment):
        return run_experiments(
            {"exp": {"alg": "PPO", "env": "CartPole-v1", "seed": 1, **experiment}}, display="none"
        )

    return run


def only(summary):
    (trial,) = summary.trials
    return trial


def test_a_trial_reports_what_rllib_measures(train, reports, mlflow_runs, task_runs):
    summary = train(config=SMALL, stop={"training_iteration": 3})
    trial = only(summary)
    assert (trial.state, trial.error) == (TrialState.TERMINATED, None)
    assert trial.stop_reason == "training_iteration 3 >= 3 after 600 timesteps"
    rows = reports(trial)
    assert [row["timesteps_total"] for row in rows] == [200, 400, 600]
    assert (
        rows[-1]["info"]["episode_reward_min"]
        <= rows[-1]["episode_reward_mean"]
        <= rows[-1]["info"]["episode_reward_max"]
    )
    # CartPole gives 1 for each step
    assert rows[-1]["episode_len_mean"] == rows[-1]["episode_reward_mean"]
    logged = mlflow_runs()[0][trial.name].data.metrics
    assert logged["episode_reward_mean"] == pytest.approx(rows[-1]["episode_reward_mean"])
    assert {"episode_reward_max", "learner/policy_loss", "learner/entropy"} <= set(logged)
    assert task_runs(summary)[trial.name].state.message == trial.stop_reason
    assert {"exp", "PPO"} <= set(task_runs(summary)[trial.name].tags)


def test_the_workers_of_a_trial_are_within_its_cpus(train, reports, folder):
    """Three trials of 2 CPUs with two workers each, on 2 CPUs.

    One after the other, and nothing of them stays.
    """
    summary = train(
        config={**SMALL, "num_workers": 2},
        num_trials=3,
        resources={"cpu": 2},
        stop={"training_iteration": 2},
    )
    assert [trial.state for trial in summary.trials] == [TrialState.TERMINATED] * 3
    spans = sorted(
        (rows[0]["timestamp"] - rows[0]["time_total_s"], rows[-1]["timestamp"])
        for rows in map(reports, summary.trials)
    )
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    until(lambda: workers() == [])
    assert all(group["state"] == "REMOVED" for group in ray.util.placement_group_table().values())


def workers():
    """The env runners' processes of this session's cluster."""
    ours = processes_of(os.environ["PREFECT_HOME"], "PREFECT_HOME")
    return [command for command in ours if "EnvRunner" in command]


def test_iterations_in_which_one_episode_ends(train, reports):
    config = {
        "train_batch_size_per_learner": 20,
        "minibatch_size": 20,
        "num_workers": 0,
        "horizon": 15,
    }
    trial = only(train(config=config, stop={"training_iteration": 6}))
    assert (trial.state, trial.error) == (TrialState.TERMINATED, None)
    totals = [0, *(row["episodes_total"] for row in reports(trial))]
    assert 1 in [after - before for before, after in itertools.pairwise(totals)]


def test_time_is_up_in_the_middle_of_an_iteration(train):
    endless = {
        "num_workers": 1,
        "train_batch_size_per_learner": 10**7,
        "rollout_fragment_length": 200,
    }
    trial = only(train(config=endless, stop={"time_total_s": 3}))
    assert (trial.state, trial.error) == (TrialState.TERMINATED, None)
    assert re.fullmatch(r"time_total_s 3\.\d+ >= 3", trial.stop_reason)


SIMULATOR = """
import gymnasium, numpy, time
class Simulator(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)
    steps = 0
    def __init__(self):
        time.sleep({setup_s})
    def reset(self, *, seed=None, options=None):
        return numpy.zeros(4, numpy.float32), {{}}
    def step(self, action):
        self.steps += 1
        if self.steps > {good_steps}:
            {then}
        return numpy.zeros(4, numpy.float32), 1.0, self.steps % 10 == 0, False, {{}}
"""


@pytest.fixture
def simulator(folder, monkeypatch):
    """Writes a module whose environment does something else after some good steps.

    Returns it as a spec's `env`.
    """

    def write(name, **does):
        (folder / f"{name}.py").write_text(SIMULATOR.format(**{"setup_s": 0, **does}))
        monkeypatch.syspath_prepend(str(folder))
        return f"{name}:Simulator"

    return write


def test_what_is_built_is_no_time_of_training(train, simulator, reports):
    # Made twice: once to be tried
    env = simulator("slow_simulator", setup_s=3, good_steps=1_000_000, then="pass")
    trial = only(train(env=env, config={**SMALL, "num_workers": 0}, stop={"time_total_s": 4}))
    assert trial.stop_reason.startswith("time_total_s 4")
    assert reports(trial)[0]["time_total_s"] < 3


def test_a_worker_that_plays_for_ever_is_ended_not_waited_for(train, simulator):
    env = simulator("stuck_simulator", good_steps=500, then="time.sleep(3600)")
    config = {**SMALL, "num_workers": 1}
    trial = only(
        train(
            env=env, config=config, stop={"time_total_s": 12}, checkpoint_freq=100, stop_grace_s=60
        )
    )
    assert (trial.state, trial.error) == (TrialState.TERMINATED, None)
    assert [path.name for path in Path(trial.logdir).glob("checkpoints/0*")] == ["000002"]
    # Else the monitor has ended the whole process after the grace
    assert "its process was ended" not in trial.stop_reason
    until(lambda: workers() == [])


@pytest.mark.parametrize(
    "example", ["cartpole-a2c", "cartpole-a3c", "cartpole-bc", "cartpole-es", "cartpole-ppo-drawn"]
)
def test_an_example_reaches_its_goal(example, cluster, folder):
    """Those that take less than a minute on two cores."""
    from tune_tasks import run_experiments

    summary = run_experiments(
        ROOT / "examples" / "rllib" / f"{example}.yaml", seed=0, display="none"
    )
    assert [(trial.state, trial.error) for trial in summary.trials] == [
        (TrialState.TERMINATED, None)
    ] * len(summary.trials)
    assert [trial.stop_reason.split()[0] for trial in summary.trials] == [
        "episode_reward_mean"
    ] * len(summary.trials)


@pytest.mark.parametrize("alg", ["PPO", "A3C"])
def test_a_broken_environment_says_its_own_error(alg, train, simulator):
    env = simulator(
        "broken_simulator",
        good_steps=50,
        then='raise ValueError("the simulator has lost its licence")',
    )
    config = {**SMALL, "num_workers": 1} if alg == "PPO" else {"num_workers": 2}
    trial = only(
        train(alg=alg, env=env, config=config, resources={"cpu": 2}, stop={"training_iteration": 3})
    )
    assert trial.state is TrialState.ERROR
    assert trial.error.strip().endswith("ValueError: the simulator has lost its licence")


def test_a_trial_that_fails_goes_on_from_its_checkpoint(train, simulator, reports):
    env = simulator("tired_simulator", good_steps=500, then='raise ValueError("tired")')
    trial = only(
        train(
            env=env,
            config={**SMALL, "num_workers": 0},
            stop={"training_iteration": 4},
            checkpoint_freq=1,
            max_failures=1,
        )
    )
    assert (trial.state, trial.attempts) == (TrialState.TERMINATED, 2)
    rows = reports(trial)
    assert [row["training_iteration"] for row in rows] == [1, 2, 3, 4]
    assert [row["timesteps_total"] for row in rows] == [200, 400, 600, 800]
    own = Path(trial.logdir) / "checkpoints"
    assert sorted(path.name for path in own.iterdir()) == ["000003", "000004"]


def test_checkpoints_are_continued_played_recorded_and_learned_from(
    train, folder, command, reports
):
    first = only(train(config=SMALL, stop={"training_iteration": 3}, checkpoint_freq=2))
    assert sorted(path.name for path in Path(first.logdir).glob("checkpoints/0*")) == [
        "000002",
        "000003",
    ]
    last = str(Path(first.logdir) / "checkpoints" / "000003")
    before, row = (
        reports(first)[-1],
        reports(only(train(config=SMALL, stop={"training_iteration": 4}, restore=last)))[0],
    )
    assert (row["training_iteration"], row["timesteps_total"]) == (4, 800)
    assert row["episodes_total"] >= before["episodes_total"]
    assert row["time_total_s"] > before["time_total_s"]

    files = ("--render", str(folder / "first.gif"), "--record", str(folder / "played.parquet"))
    played = command(
        "evaluate",
        "checkpoints/000003",
        "--episodes",
        "9",
        "--seed",
        "0",
        "--explore",
        *files,
        cwd=first.logdir,
    )
    out, err = played.communicate(timeout=120)
    assert played.returncode == 0, err
    assert re.fullmatch(
        r"(episode \d: return \d+, \d+ steps\n){9}mean return [\d.]+ of 9 episodes, \d+ to \d+\n",
        out,
    )
    from PIL import Image

    with Image.open(folder / "first.gif") as picture:
        assert picture.n_frames > 5

    config = {
        "input": "played.parquet",
        "train_batch_size": 64,
        "min_train_timesteps_per_iteration": 640,
    }
    # All CPUs are the trial's: what would read the data beside it would wait for ever.
    experiment = {"stop": {"training_iteration": 3}, "resources": {"cpu": 2}, "checkpoint_freq": 3}
    trial = only(train(alg="BC", config={**config, "evaluation_interval": 2}, **experiment))
    assert (trial.state, trial.error) == (TrialState.TERMINATED, None)
    rows = reports(trial)
    assert [640 <= row["timesteps_this_iter"] < 640 + 64 for row in rows] == [True] * 3
    assert [row.get("episodes_total") for row in rows] == [None, 10, 10]
    assert rows[1]["episode_reward_mean"] == pytest.approx(
        rows[1]["info"]["evaluation"]["episode_reward_mean"]
    )
    from tune_tasks.rllib.evaluate import evaluate

    ((episode_return, length),) = evaluate(Path(trial.logdir) / "checkpoints" / "000003", 1)
    assert episode_return == length > 0


def test_a_checkpoint_of_another_algorithm_is_refused(train, folder):
    from tune_tasks.errors import SpecError

    checkpoint = folder / "checkpoint_000001"
    (checkpoint / "algorithm").mkdir(parents=True)
    earlier = {"timesteps_total": 1, "time_total_s": 1.0, "training_iteration": 1}
    what = {"alg": "DQN", "env": "CartPole-v1", "config": {}, "earlier": earlier}
    (checkpoint / "trial.json").write_text(json.dumps(what))
    with pytest.raises(
        SpecError, match=r"exp\.restore: the checkpoint .* is of DQN on CartPole-v1"
    ):
        train(restore="checkpoint_000001")
    with pytest.raises(
        SpecError, match=r"exp\.restore: .*/absent is not a checkpoint of tune-tasks"
    ):
        train(restore="absent")


DRIFTING = """
import gymnasium, numpy
class Drifting(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return numpy.zeros(3, numpy.float32), {}
    def step(self, action):
        self.steps += 1
        return numpy.zeros(3 if self.steps < 9 else 4, numpy.float32), 1.0, False, False, {}
class OfOldGym(Drifting):
    def reset(self):
        return numpy.zeros(3, numpy.float32)
"""


def test_what_is_wrong_with_an_environment_is_a_sentence(cluster, folder, monkeypatch):
    from tune_tasks import run_experiments
    from tune_tasks.results.words import report_lines

    (folder / "drifting.py").write_text(DRIFTING)
    monkeypatch.syspath_prepend(str(folder))
    common = {"run": "PPO", "seed": 1, "stop": {"timesteps_total": 100}}
    config = {**SMALL, "train_batch_size_per_learner": 100, "num_workers": 0}
    summary = run_experiments(
        {
            "here": {**common, "env": "drifting:Drifting", "config": config},
            "in a worker": {
                **common,
                "env": "drifting:Drifting",
                "config": {**config, "num_workers": 1},
            },
            "old": {**common, "env": "drifting:OfOldGym", "config": config},
            "no end": {**common, "env": "Pendulum-v1", "config": config, "checkpoint_at_end": True},
        },
        display="none",
    )
    here, worker, old, endless = summary.trials
    for trial in (here, worker):
        assert trial.error.strip().endswith(
            "an observation has the shape (4,), but `observation_space` says (3,)"
        )
    assert (
        "`reset` of drifting:OfOldGym takes no `seed`, as in Gym before 0.26: write"
        in old.error_summary
    )
    assert (endless.state, endless.error) == (TrialState.TERMINATED, None)
    assert [path.name for path in Path(endless.logdir).glob("checkpoints/0*")] == ["000001"]
    assert any(
        line.startswith("No best trial: no episode has ended") for line in report_lines(summary)
    )


def test_a_model_proposes_trials_and_the_worse_ones_end_early(train):
    summary = train(
        config={**SMALL, "lr": {"loguniform": [1e-5, 1e-2]}},
        metric="episode_reward_mean",
        num_trials=6,
        stop={"training_iteration": 2},
        search={"tpe": {"startup_trials": 3}},
        scheduler={"asha": {"reduction_factor": 2}},
    )
    trials = summary.trials
    assert {trial.state for trial in trials} == {TrialState.TERMINATED}
    assert all(1e-5 <= trial.config["lr"] <= 1e-2 for trial in trials)
    stopped = [trial for trial in trials if trial.reports == 1]
    assert stopped
    for trial in stopped:
        # On a busy machine it also says that the process did not end in time.
        assert re.match(r"rank \d of \d at 1 iteration, the best .* on\b", trial.stop_reason)
