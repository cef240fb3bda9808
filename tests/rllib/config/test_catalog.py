"""Which algorithms there are, and what is said of another one."""

import subprocess
import sys

import pytest

from tune_tasks.errors import UsageError
from tune_tasks.rllib.config.catalog import ALGORITHMS, check_algorithm, config_class

RLLIB = [alg for alg, place in ALGORITHMS.items() if place.startswith("ray.")]


def test_all_that_rllib_registers_and_2017s():
    from ray.rllib.algorithms.registry import ALGORITHMS as REGISTERED

    assert set(ALGORITHMS) == {*REGISTERED, "A3C", "A2C", "ES"}
    assert list(ALGORITHMS)[:5] == ["PPO", "DQN", "A3C", "A2C", "ES"]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("alg", RLLIB)
def test_the_class_is_the_one_that_rllib_registers(alg):
    from ray.rllib.algorithms.registry import ALGORITHMS as REGISTERED

    assert config_class(alg) is type(REGISTERED[alg]()[1])


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(
        UsageError, match=r"no algorithm is named 'ppo'; did you mean 'PPO'\?.*A3C.*DreamerV3"
    ):
        check_algorithm("ppo")
    with pytest.raises(UsageError, match=r"'DreamerV2'; did you mean 'DreamerV3'"):
        config_class("DreamerV2")
    with pytest.raises(UsageError, match=r"'zzz' \(known: script, PPO"):
        check_algorithm("zzz")


@pytest.mark.parametrize("missing", ["torch", "ray.rllib.algorithms.algorithm_config"])
def test_without_rllib_it_is_said_how_to_install_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"'PPO' runs on RLlib.*pip install 'tune-tasks\[rllib\]'"):
        config_class("PPO")


def test_names_are_known_without_importing_anything():
    code = """if True:
        import sys
        from tune_tasks.rllib.config.catalog import check_algorithm
        from tune_tasks.rllib.config.algorithm_config import ignored_keys
        check_algorithm("PPO"), ignored_keys("PPO", {"devices": []})
        print({"ray", "torch", "gymnasium"} & set(sys.modules))
    """
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
