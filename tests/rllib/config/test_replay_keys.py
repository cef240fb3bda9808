"""The keys of replay buffers."""

import pytest

from tests.rllib.config.configs import built

pytestmark = pytest.mark.rllib


def replay(config):
    from ray.rllib.utils import replay_buffers

    given = dict(config.replay_buffer_config)
    return getattr(replay_buffers, given.pop("type"))(**given)


REPLAY = [
    ({"buffer_size": 700}, ("PrioritizedEpisodeReplayBuffer", 700, 0.6, 0.4)),
    ({"prioritized_replay_alpha": 0.7}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.7, 0.4)),
    ({"prioritized_replay_beta0": 0.5}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.5)),
    ({"prioritized_replay_beta": 0.5}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.5)),
    ({"prioritized_replay": True}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.4)),
    ({"prioritized_replay": False}, ("EpisodeReplayBuffer", 50_000, None, None)),
    ({"prioritized_replay": False, "buffer_size": 700}, ("EpisodeReplayBuffer", 700, None, None)),
    (
        {"replay_buffer_config": {"capacity": 9, "beta": 0.5}},
        ("PrioritizedEpisodeReplayBuffer", 9, 0.6, 0.5),
    ),
    (
        {"replay_buffer_config": {"type": "EpisodeReplayBuffer"}},
        ("EpisodeReplayBuffer", 50_000, None, None),
    ),
    (
        {"replay_buffer_config": {"type": "MultiAgentReplayBuffer"}},
        ("EpisodeReplayBuffer", 50_000, None, None),
    ),
    (
        {
            "replay_buffer_config": {
                "type": "MultiAgentPrioritizedReplayBuffer",
                "prioritized_replay_alpha": 0.5,
            }
        },
        ("PrioritizedEpisodeReplayBuffer", 50_000, 0.5, 0.4),
    ),
]


@pytest.mark.parametrize(("config", "then"), REPLAY)
def test_the_replay_buffer(config, then):
    made = built("DQN", config)
    buffer = replay(made)
    assert (type(buffer).__name__, buffer.capacity) == then[:2]
    assert (getattr(buffer, "_alpha", None), made.replay_buffer_config.get("beta")) == then[2:]
