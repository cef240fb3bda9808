"""What RLlib is told beyond a spec's config."""

import pytest
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

from tune_tasks.errors import ResourcesError
from tune_tasks.model.trial import Resources
from tune_tasks.rllib.trainable import RLlibTrainable
from tune_tasks.testing import TrainableContract


# Without a cluster RLlib would start one, and leave it to the tests that follow.
@pytest.mark.usefixtures("cluster")
class TestRLlib(TrainableContract):
    def make(self, folder):
        return RLlibTrainable("PPO", "CartPole-v1", Resources())

    def config(self):
        return {"num_workers": 0, "train_batch_size": 100, "minibatch_size": 50, "num_epochs": 1}


pytestmark = pytest.mark.rllib

RESTARTS = {
    "not said": ({}, False),
    "today's word": ({"restart_failed_env_runners": True}, True),
    "2017's word": ({"recreate_failed_workers": True}, True),
}


@pytest.mark.parametrize(("config", "restarts"), RESTARTS.values(), ids=RESTARTS)
def test_workers_are_started_again_only_where_the_config_says_so(config, restarts, tmp_path):
    settings = RLlibTrainable("PPO", "CartPole-v1", Resources())._settings(config, 7, str(tmp_path))
    assert (settings.restart_failed_env_runners, settings.seed) == (restarts, 7)


def test_a_workers_share_is_what_rllib_reserves_for_it(tmp_path):
    settings = RLlibTrainable("PPO", "CartPole-v1", Resources(cpu=8))._settings(
        {"num_workers": 8}, 7, str(tmp_path)
    )
    assert settings.num_cpus_per_env_runner == 0.875


@pytest.mark.parametrize(("alg", "ignored"), [("A3C", True), ("ES", True), ("PPO", False)])
def test_what_does_without_a_worker_that_has_died(alg, ignored, tmp_path):
    settings = RLlibTrainable(alg, "CartPole-v1", Resources())._settings({}, 7, str(tmp_path))
    assert settings.ignore_env_runner_failures is ignored


def test_what_the_config_says_of_failing_workers_holds(tmp_path):
    trainable = RLlibTrainable("PPO", "CartPole-v1", Resources())
    assert trainable._settings(
        {"ignore_env_runner_failures": True}, 7, str(tmp_path)
    ).ignore_env_runner_failures


def test_the_gpu_is_with_the_process_that_learns(tmp_path):
    trainable = RLlibTrainable("IMPALA", "CartPole-v1", Resources(cpu=4, gpu=1))
    settings = trainable._settings({"num_workers": 2}, 7, str(tmp_path))
    assert (settings.num_learners, settings.num_gpus_per_learner) == (0, 1)
    with pytest.raises(ResourcesError, match="`num_learners` must be 0"):
        trainable._settings({"num_learners": 1}, 7, str(tmp_path))


def test_each_whole_episode_begins_anew(tmp_path):
    settings = RLlibTrainable("PPO", "CartPole-v1", Resources())._settings(
        {"num_workers": 0}, 7, str(tmp_path)
    )
    runner = SingleAgentEnvRunner(config=settings)
    starts = [tuple(runner.sample(num_episodes=1)[0].get_observations(0)) for _ in range(3)]
    assert len(set(starts)) == 3
    runner = SingleAgentEnvRunner(config=settings)
    assert tuple(runner.sample(num_episodes=1)[0].get_observations(0)) == starts[0]
