"""What RLlib is told beyond a spec's config."""

import pytest

from tune_tasks.rllib.trainable import RLlibTrainable
from tune_tasks.trial import Resources

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
    settings = RLlibTrainable("PPO", "CartPole-v1", Resources(cpu=8))._settings({"num_workers": 8}, 7, str(tmp_path))
    assert settings.num_cpus_per_env_runner == 0.875
