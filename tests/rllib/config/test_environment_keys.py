"""The keys of the environment: how it is made and wrapped then."""

import gymnasium
import numpy as np
import pytest

from tests.rllib.config.configs import PONG, built, check_refused, environment
from tune_tasks.rllib.envs import environments

pytestmark = pytest.mark.rllib


WRAPPED = [
    ({"model": {"dim": 84}}, PONG, (84, 84, 4), (0, 1)),
    ({"model": {"grayscale": False}}, PONG, (42, 42, 12), (0, 1)),
    ({"model": {"zero_mean": True}}, PONG, (42, 42, 4), (-1, 1)),
    ({"model": {"framestack": False}}, PONG, (42, 42, 1), (0, 1)),
    ({"model": {"framestack": True}}, PONG, (42, 42, 4), (0, 1)),
    ({"model": {"framestack": 2}}, PONG, (42, 42, 2), (0, 1)),
    ({"use_lstm": True}, PONG, (42, 42, 1), (0, 1)),
    ({"use_lstm": True, "model": {"framestack": 3}}, PONG, (42, 42, 3), (0, 1)),
]


@pytest.mark.parametrize(("config", "env", "shape", "bounds"), WRAPPED)
def test_the_images(config, env, shape, bounds):
    assert environment(built("PPO", config, env)).observation_space == gymnasium.spaces.Box(
        *bounds, shape, np.float32
    )


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"horizon": 50}, 50),
        ({"horizon": 500}, 200),
        ({"extra_frameskip": 4}, 50),
        ({"model": {"extra_frameskip": 4}}, 50),
        ({}, 200),
    ],
)
def test_the_length_of_an_episode(config, steps):
    env = environment(built("PPO", config, "MountainCar-v0"))
    env.reset(seed=1)
    assert next(n for n in range(1, 1_000) if any(env.step(1)[2:4])) == steps


def test_env_config():
    assert environment(built("PPO", {"env_config": {"g": 1.5}}, "Pendulum-v1")).unwrapped.g == 1.5


def test_rllib_makes_the_environment_and_plays_in_it():
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    config = built(
        "PPO", {"horizon": 5, "rollout_batchsize": 2, "observation_filter": "MeanStdFilter"}
    )
    runner = SingleAgentEnvRunner(config=config)
    episodes = runner.sample(num_timesteps=40, random_actions=False)
    assert max(len(episode) for episode in episodes) == 5
    assert runner.num_envs == 2
    runner.stop()


def test_the_environment_is_found_from_another_process():
    import ray

    @ray.remote
    def elsewhere(context):
        from ray.tune.registry import ENV_CREATOR, _global_registry

        return _global_registry.get(ENV_CREATOR, environments.REGISTERED_AS)(
            context
        ).observation_space.shape

    config = built("PPO", {}, PONG)
    with ray.init(num_cpus=1, include_dashboard=False, logging_level="error", log_to_driver=False):
        assert ray.get(elsewhere.remote(config.env_config)) == (42, 42, 4)


WRONG = [
    (
        "PPO",
        {"model": {"dim": 84}},
        "config.model.dim: has no effect on CartPole-v0, which is not an Atari game",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)
