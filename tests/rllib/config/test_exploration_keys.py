"""The keys of random actions."""

import pytest

from tests.rllib.config.configs import built, module

pytestmark = pytest.mark.rllib


EXPLORATION = [
    ({"schedule_max_timesteps": 5_000}, [[0, 1.0], [500, 0.02]]),
    ({"exploration_fraction": 0.5}, [[0, 1.0], [50_000, 0.02]]),
    ({"exploration_final_eps": 0.1}, [[0, 1.0], [10_000, 0.1]]),
    (
        {"schedule_max_timesteps": 1_000, "exploration_fraction": 0.29, "exploration_final_eps": 0},
        [[0, 1.0], [290, 0]],
    ),
    ({"epsilon": 0.3}, 0.3),
    (
        {"exploration_config": {"epsilon_timesteps": 500, "final_epsilon": 0.1}},
        [[0, 1.0], [500, 0.1]],
    ),
    (
        {"exploration_config": {"type": "EpsilonGreedy", "initial_epsilon": 0.5}},
        [[0, 0.5], [10_000, 0.02]],
    ),
]


@pytest.mark.parametrize(("config", "then"), EXPLORATION)
def test_the_schedule_of_random_actions_reaches_the_network(config, then):
    made = module(built("DQN", config))
    schedule = made.epsilon_schedule
    points = [(0, then)] if isinstance(then, float) else then
    assert [schedule.update(timestep) for timestep, _ in points] == pytest.approx(
        [value for _, value in points]
    )
