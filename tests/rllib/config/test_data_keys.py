"""The keys of recorded data."""

import pytest

from tests.rllib.config.configs import built, widths
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS

pytestmark = pytest.mark.rllib


ON_DATA = [each.name for each in ALGORITHMS.values() if each.learns_from_data]


def test_recorded_data_are_read_for_the_environments_spaces():
    config = built("BC", {"input": "/data/episodes", "dataset_num_iters_per_learner": 1})
    assert config.input_ == "/data/episodes"
    assert (config.observation_space.shape, config.action_space.n) == ((4,), 2)
    assert widths(config.get_rl_module_spec().build())[-1] == 2


@pytest.mark.parametrize("alg", ON_DATA)
def test_the_module_of_an_environment_is_not_executed_before_a_trial(alg, tmp_path, monkeypatch):
    (tmp_path / "registers.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    built = algorithm_config(alg, "registers:Mine-v0", {"input_": "s3://bucket/folder"})
    assert built.env_config["env"] == "registers:Mine-v0"
