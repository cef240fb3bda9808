"""What stands between observations and networks."""

import gymnasium
import numpy as np
import pytest
import tree
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from tune_tasks.rllib.algorithms.connectors import MergedMeanStdFilter

pytestmark = pytest.mark.rllib

SPACE = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)


def made():
    one = MergedMeanStdFilter()
    one.input_action_space, one.input_observation_space = gymnasium.spaces.Discrete(2), SPACE
    return one


@pytest.mark.parametrize("workers", [1, 3])
def test_merged_statistics_are_those_of_all_that_was_observed(workers):
    rng = np.random.default_rng(0)
    driver, filters, seen = made(), [made() for _ in range(workers)], []
    for _ in range(4):
        for one in filters:
            for observation in rng.normal((5.0, -3.0), (1.0, 0.1), size=(200, 2)):
                one(
                    rl_module=None,
                    batch={},
                    episodes=[
                        SingleAgentEpisode(observations=[observation], observation_space=SPACE)
                    ],
                )
                seen.append(observation)
        merged = driver.merge_states([one.get_state() for one in filters])
        for one in filters:
            one.set_state(merged)
    (stat,) = tree.flatten(filters[0]._filters[None].running_stats)
    assert stat.n == len(seen)
    np.testing.assert_allclose(stat.mean, np.mean(seen, axis=0), rtol=1e-6)
    np.testing.assert_allclose(stat.std, np.std(seen, axis=0, ddof=1), rtol=1e-4)
