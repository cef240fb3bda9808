"""The keys that are accepted without effect."""

import pytest

from tests.rllib.config.configs import built
from tune_tasks.errors import UsageError
from tune_tasks.rllib.config.ignored_keys import ignored_keys
from tune_tasks.rllib.config.keys_gone import IGNORED, MODEL_IGNORED, REPLAY_IGNORED

pytestmark = pytest.mark.rllib


@pytest.mark.parametrize("key", IGNORED)
def test_an_ignored_key_changes_nothing_and_says_why(key):
    assert ignored_keys("PPO", {key: 1, "lr": 1e-3}) == {key: IGNORED[key]}
    assert built("PPO", {key: 1}).to_dict().keys() == built("PPO", {}).to_dict().keys()


def test_an_ignored_key_of_the_model():
    assert ignored_keys("PPO", {"model": {"channel_major": True, "dim": 42}}) == {
        "model.channel_major": MODEL_IGNORED["channel_major"]
    }
    built("PPO", {"model": {"channel_major": True}})


@pytest.mark.parametrize("key", REPLAY_IGNORED)
def test_an_ignored_key_of_the_replay_buffer(key):
    config = {"replay_buffer_config": {key: 1}}
    assert ignored_keys("DQN", config) == {f"replay_buffer_config.{key}": REPLAY_IGNORED[key]}
    assert built("DQN", config).replay_buffer_config == built("DQN", {}).replay_buffer_config


@pytest.mark.parametrize("value", ["tf", "tf2", "tfe", {"grid_search": ["torch", "tf"]}])
def test_another_framework_is_ignored(value):
    assert list(ignored_keys("PPO", {"framework": value})) == ["framework"]
    if isinstance(value, str):
        assert built("PPO", {"framework": value}).framework_str == "torch"


@pytest.mark.parametrize("value", [None, False])
def test_what_asks_for_nothing_is_no_mistake(value):
    built(
        "PPO",
        {
            "callbacks": value,
            "model": {"use_attention": value, "custom_model": value},
            "lr_schedule": None,
        },
    )
    built("APPO", {"vtrace": True, "exploration_config": {}, "Q_model": None})


def test_ignored_keys_of_no_algorithm():
    with pytest.raises(UsageError, match="no algorithm is named 'PP0'"):
        ignored_keys("PP0", {})
