"""The keys and algorithms that are no more."""

import pytest

from tests.rllib.config.configs import check_refused, refused
from tune_tasks.errors import BadInputError
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS
from tune_tasks.rllib.config.keys_2017 import ALGORITHMS_GONE
from tune_tasks.rllib.config.keys_gone import MODEL_REFUSED, REFUSED

pytestmark = pytest.mark.rllib


WRONG = [
    (
        "PPO",
        {"use_gae": False},
        "config.use_gae: expected True, got False: RLlib always estimates advantages so",
    ),
    ("DQN", {"adam_epsilon": 1e-4}, "config.adam_epsilon: belongs to RLlib's old API stack"),
    (
        "DQN",
        {"exploration_config": {"type": "SoftQ"}},
        "config.exploration_config: belongs to RLlib's old API stack",
    ),
    (
        "DQN",
        {"exploration_config": {"epsilon": 1}},
        "config.exploration_config.epsilon: unknown key; did you mean",
    ),
    (
        "PPO",
        {"exploration_config": {"type": "RND"}},
        "config.exploration_config: belongs to RLlib's old API stack",
    ),
    (
        "PPO",
        {"clip_rewards": True},
        "config.clip_rewards: expected False, got True: RLlib's new API stack does not clip",
    ),
    (
        "APPO",
        {"vtrace": False},
        "config.vtrace: expected True, got False: RLlib always corrects by V-trace",
    ),
    ("PPO", {"Q_model": {}}, "config.Q_model: has no effect on PPO; it is a setting of SAC, CQL"),
    (
        "SAC",
        {"Q_model": {"fcnet_hiddens": [2]}, "policy_model": {"fcnet_hiddens": [3]}},
        (
            "config.policy_model.fcnet_hiddens: the networks have one `model` today, and the two"
            " differ: [3] here, [2] in Q_model"
        ),
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)


@pytest.mark.parametrize("alg", ALGORITHMS_GONE)
def test_an_algorithm_that_is_no_more(alg):
    instead = ALGORITHMS_GONE[alg]
    assert not instead or instead in ALGORITHMS
    with pytest.raises(
        BadInputError,
        match=f"alg: RLlib no longer has '{alg}'{f'; {instead} is the' if instead else ''}",
    ):
        algorithm_config(alg, "CartPole-v1", {})


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_that_is_no_more(key):
    assert refused("PPO", {key: 1}) == (f"config.{key}: {REFUSED[key]}", (key,))


@pytest.mark.parametrize("key", MODEL_REFUSED)
def test_a_model_key_that_is_no_more(key):
    assert refused("PPO", {"model": {key: 1}}) == (
        f"config.model.{key}: {MODEL_REFUSED[key]}",
        ("model", key),
    )
