"""An experiment of RLlib's is checked before anything starts, beyond its config."""

import json
import textwrap

import pytest

from tune_tasks.cluster.nodes import Cluster, Node
from tune_tasks.errors import ResourcesError, SpecError
from tune_tasks.rllib.planning import METRICS
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.replaying import STAGE
from tune_tasks.sweep.planning import make_plan

pytestmark = pytest.mark.rllib


def test_a_criterion_names_what_rllibs_trials_report(tmp_path):
    def plan(stop):
        experiment = {
            "alg": "PPO",
            "env": "CartPole-v1",
            "stop": stop,
            "config": {"num_workers": 0},
        }
        (tmp_path / "spec.json").write_text(json.dumps({"e": experiment}))
        return make_plan(load_spec(tmp_path / "spec.json"), seed=0)

    assert list(
        plan(
            {
                **dict.fromkeys(METRICS, 1),
                "learner/policy_loss": 1,
                "evaluation/episode_reward_mean": 1,
            }
        ).trials()
    )
    said = (
        r"e\.stop\.episode_reward_mena: no trial of PPO reports it; did you mean"
        r" 'episode_reward_mean'\?"
    )
    with pytest.raises(SpecError, match=said):
        plan({"episode_reward_mena": 1})


def planned(**experiment):
    return make_plan(
        spec_from_data(
            {
                "e": {
                    "alg": "PPO",
                    "env": "CartPole-v1",
                    "stop": {"training_iteration": 1},
                    **experiment,
                }
            }
        )
    )


def test_what_rllib_calls_a_metric_is_taken_as_ours():
    stop = {
        "sampler_results/episode_reward_mean": 10,
        "env_runners/num_episodes_lifetime": 5,
        "num_env_steps_sampled": 9,
    }
    made = planned(stop=stop, metric="evaluation/env_runners/episode_return_mean").experiments[0]
    assert list(made.spec.stop) == ["episode_reward_mean", "episodes_total", "timesteps_total"]
    assert [criterion.metric for criterion in made.trials[0].stop] == list(made.spec.stop)
    assert made.spec.metric == "evaluation/episode_reward_mean"
    for name in ("env_runners/foo", "info/foo", "sampler_results/hist_stats"):
        with pytest.raises(SpecError, match=f"e.stop.{name}: no trial of PPO reports it"):
            planned(stop={name: 1})
    with pytest.raises(SpecError, match="sets the same as another name of 'episode_reward_mean'"):
        planned(stop={"episode_reward_mean": 1, "env_runners/episode_return_mean": 2})


def test_constraints_have_our_names_and_name_what_trials_report():
    plan = planned(constraints={"env_runners/episode_return_mean": ">= 2"})
    assert plan.experiments[0].spec.constraints == {"episode_reward_mean": ">= 2"}
    with pytest.raises(SpecError, match=r"constraints\.size: no trial of PPO reports it"):
        planned(constraints={"size": "<= 2"})


def test_a_trial_that_never_ends_is_a_warning():
    assert planned(stop={}).warnings == [
        "e: no `stop`: a trial of PPO never ends by itself; e.g. stop: {time_total_s: 3600}"
    ]
    assert planned().warnings == []


OLD_FILES = {
    "2018": (
        """
        a:
            env: PongDeterministic-v4
            run: PPO
            trial_resources: {cpu: 1, extra_cpu: 2}
            stop: {episode_reward_mean: 21}
            config: {num_workers: 2, num_sgd_iter: 2, devices: ["/gpu:0"], observation_filter: NoFilter}
        """
    ),
    "2020": (
        """
        a:
            run: DQN
            num_samples: 2
            stop: {timesteps_total: 100}
            config:
                env: {grid_search: [CartPole-v0, CartPole-v1]}
                framework: tf
                monitor: false
                exploration_config: {epsilon_timesteps: 200, final_epsilon: 0.02}
                model: {use_lstm: false, custom_model: null, lstm_use_prev_action_reward: false}
        """
    ),
    "2021": (
        """
        a:
            env: Pendulum-v1
            run: SAC
            local_dir: /tmp/nowhere
            checkpoint_at_end: true
            stop: {timesteps_total: 100}
            config:
                framework: tf2
                soft_horizon: false
                no_done_at_end: true
                Q_model: {fcnet_activation: relu, fcnet_hiddens: [64, 64]}
                policy_model: {fcnet_activation: relu, fcnet_hiddens: [64, 64]}
                optimization: {actor_learning_rate: 0.0003, critic_learning_rate: 0.0003, entropy_learning_rate: 0.0003}
                timesteps_per_iteration: 1000
                learning_starts: 256
                metrics_smoothing_episodes: 5
                num_workers: 0
        """
    ),
    "2023": (
        """
        a:
            env: CartPole-v1
            run: APPO
            stop: {sampler_results/episode_reward_mean: 150}
            config:
                _enable_new_api_stack: true
                vtrace: true
                max_sample_requests_in_flight_per_worker: 1
                num_multi_gpu_tower_stacks: 1
                minibatch_buffer_size: 4
                exploration_config: {}
                num_workers: 1
                num_gpus: 1
        """
    ),
}


@pytest.mark.parametrize("text", OLD_FILES.values(), ids=OLD_FILES)
def test_files_of_rllibs_years_are_taken(text, tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text(textwrap.dedent(text))
    made = make_plan(load_spec(file))
    assert all(trial.stop for trial in made.trials())
    assert all(warning.startswith(f"{file}:") for warning in made.warnings)


def test_everything_that_is_wrong_with_a_file_is_said_at_once(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text("""
a: {env: CartPoll-v1, alg: PPO, stop: {mean_loss: 1}, config: {lr: fast, zzz: 1}}
b: {env: CartPole-v1, alg: APEX, config: {zzz: 1}}
c: {env: CartPole-v1, alg: PPO, stop: {done: 1}, config: {lr: {grid_search: [1, 0, -1]}, gamma: 2}}
""")
    with pytest.raises(SpecError) as error:
        make_plan(load_spec(file))
    lines = [line.replace(f"{file}:", "") for line in str(error.value).splitlines()]
    assert [line.partition(": ")[0] + " " + line.split(": ")[1] for line in lines] == [
        *("2:10 a.env", "2:40 a.stop.mean_loss", "2:68 a.config.lr", "2:79 a.config.zzz"),
        "3:28 b.alg",
        *("4:40 c.stop.done", "4:63 c.config.lr", "4:63 c.config.lr", "4:97 c.config.gamma"),
    ]
    assert lines[-1] == "4:97: c.config.gamma: expected 0 to 1, got 2 (trial 0)"


@pytest.mark.parametrize(
    ("alg", "config", "resources", "cpu", "gpu"),
    [
        ("PPO", {"num_workers": 12}, {}, 13, 0),
        ("PPO", {"num_workers": 0}, {}, 1, 0),
        ("PPO", {}, {}, 1, 0),  # RLlib's own two share the one CPU
        ("PPO", {"num_workers": 2}, {"cpu": 2}, 2, 0),
        ("PPO", {"num_workers": 2, "num_cpus_per_worker": 0.5}, {}, 2, 0),
        (
            "PPO",
            {"num_workers": 1, "evaluation_num_workers": 2, "evaluation_interval": 1},
            {},
            4,
            0,
        ),
        ("PPO", {"num_workers": 1, "evaluation_num_workers": 2}, {}, 2, 0),
        ("IMPALA", {"num_workers": 1, "num_learners": 2}, {}, 4, 0),
        ("PPO", {"num_workers": 1, "num_gpus": 1}, {}, 2, 1),
        ("PPO", {"num_workers": 1, "num_gpus": 0.5}, {"gpu": 1}, 2, 1),
    ],
)
def test_the_resources_of_a_trial_follow_from_its_workers(alg, config, resources, cpu, gpu):
    (experiment,) = planned(alg=alg, config=config, resources=resources).experiments
    (trial,) = experiment.trials
    assert (trial.resources.cpu, trial.resources.gpu) == (cpu, gpu)
    assert experiment.spec.resources.resources() == trial.resources
    if trial.bundles:
        assert sum(bundle.cpu for bundle in trial.bundles) == pytest.approx(cpu)


def test_more_workers_than_any_machine_has_cpus_are_refused():
    made = planned(config={"num_workers": {"grid_search": [0, 12]}})
    assert [trial.resources.cpu for trial in made.trials()] == [1, 13]
    made.expect_to_fit(Cluster([Node("a", 16)]))
    made.expect_to_fit(Cluster([Node("a", 8), Node("b", 8)]))  # a trial may be spread
    with pytest.raises(
        ResourcesError,
        match="e: a trial asks for 13 CPUs, 0 GPUs, but no machine of the cluster has that: 4 CPUs",
    ):
        made.expect_to_fit(Cluster([Node("a", 4)]))


def test_a_model_proposes_trials_that_have_the_shares_of_the_first_ones():
    search = {
        "search": {"tpe": {"startup_trials": 2}},
        "metric": "episode_reward_mean",
        "num_trials": 4,
    }
    config = {"num_env_runners": 1, "lr": {"loguniform": [1e-5, 1e-2]}}
    plan = planned(config=config, **search)
    (experiment,) = plan.experiments
    assert [experiment.expansion.is_known(index) for index in range(4)] == [True] * 2 + [False] * 2
    assert [trial.resources.cpu for trial in experiment.trials] == [2] * 4
    experiment.expansion.points[3] = {"lr": 0.25}
    assert experiment.trials[3].config["lr"] == pytest.approx(10**-4.25)
    assert experiment.trials[3].bundles == experiment.trials[0].bundles != ()
    config["num_env_runners"] = {"int": [0, 8]}
    with pytest.raises(SpecError, match="proposes trials that all occupy the same, but"):
        planned(config=config, **search)


def test_a_member_of_a_population_goes_on_with_what_it_takes_over():
    keys = {"scheduler": "pbt", "metric": "episode_reward_mean", "num_trials": 4}
    config = {"num_env_runners": 1, "lr": {"loguniform": [1e-5, 1e-2]}}
    (experiment,) = planned(config=config, **keys).experiments
    first, second, *_ = experiment.trials
    experiment.expansion.move(0, second.point)
    moved = experiment.trials[0]
    assert moved.config == second.config != first.config
    assert (moved.name, moved.bundles) == (first.name, first.bundles)
    config["num_env_runners"] = {"int": [0, 8]}
    said = "pbt has trials take over configs, and they must all occupy the same, but"
    with pytest.raises(SpecError, match=said):
        planned(config=config, **keys)


def test_a_schedule_is_checked_as_the_config_is():
    def follower(**step):
        replay = {"replay": {"schedule": [{"at": 5, "config": step}]}}
        config = {"num_env_runners": 1, "lr": 0.1}
        return planned(config=config, scheduler=replay, num_trials=2).experiments[0]

    experiment = follower(lr=0.2)
    first, _ = experiment.trials
    experiment.expansion.move(0, {STAGE: 1})
    moved, other = experiment.trials
    assert (first.config["lr"], moved.config["lr"], other.config["lr"]) == (0.1, 0.2, 0.1)
    assert moved.bundles == first.bundles != ()
    with pytest.raises(SpecError, match="lr: expected"):
        follower(lr="fast")
    with pytest.raises(
        SpecError, match="replay changes what a trial occupies while it runs: 2 CPUs"
    ):
        follower(num_env_runners=3)
