"""Which algorithms there are, and what is said of another one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tune_tasks
from tune_tasks.errors import UsageError
from tune_tasks.rllib.config.catalog import ALGORITHMS, Networks, algorithm_named
from tune_tasks.rllib.config.settings import settings_of
from tune_tasks.rllib.config.unused import UNUSED

pytestmark = pytest.mark.rllib

ROOM = Path(tune_tasks.__file__).parent / "rllib"
RLLIB = [each.name for each in ALGORITHMS.values() if each.config.startswith("ray.")]


def test_all_that_rllib_registers_and_2017s():
    from ray.rllib.algorithms.registry import ALGORITHMS as REGISTERED

    assert set(ALGORITHMS) == {*REGISTERED, "A3C", "A2C", "ES"}
    assert list(ALGORITHMS)[:5] == ["PPO", "DQN", "A3C", "A2C", "ES"]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("alg", RLLIB)
def test_the_class_is_the_one_that_rllib_registers(alg):
    from ray.rllib.algorithms.registry import ALGORITHMS as REGISTERED

    assert algorithm_named(alg).config_class() is type(REGISTERED[alg]()[1])


def test_an_unknown_name_is_told_the_nearest_and_all():
    with pytest.raises(
        UsageError, match=r"no algorithm is named 'ppo'; did you mean 'PPO'\?.*A3C.*DreamerV3"
    ):
        algorithm_named("ppo")
    with pytest.raises(UsageError, match=r"'DreamerV2'; did you mean 'DreamerV3'"):
        algorithm_named("DreamerV2")
    with pytest.raises(UsageError, match=r"'zzz' \(known: script, PPO"):
        algorithm_named("zzz")


@pytest.mark.parametrize("missing", ["torch", "ray.rllib.algorithms.algorithm_config"])
def test_without_rllib_it_is_said_how_to_install_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"'PPO' runs on RLlib.*pip install 'tune-tasks\[rllib\]'"):
        algorithm_named("PPO").config_class()


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_record_is_whole(alg):
    algorithm = ALGORITHMS[alg]
    settings = settings_of(algorithm.config_class())
    assert algorithm.name == alg
    assert (algorithm.networks is Networks.OWN) == bool(algorithm.networks_from)
    assert algorithm.learns_from_data == bool(algorithm.updates_per_iteration)
    named = {*algorithm.defaults, *algorithm.constant, *algorithm.unused}
    if algorithm.networks_from:
        named.add(algorithm.networks_from)
    assert named <= settings.keys()
    assert not algorithm.unused.keys() & UNUSED.keys()


def test_no_other_file_asks_for_an_algorithm_by_its_name():
    names = ("catalog", "keys_2017", "keys_gone")
    allowed = {ROOM / "config" / f"{name}.py" for name in names}
    named = {
        f"{path.name}:{node.lineno}"
        for path in set(ROOM.rglob("*.py")) - allowed
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in {*ALGORITHMS}
    }
    assert named == set()


def test_names_are_known_without_importing_anything():
    code = """if True:
        import sys
        from tune_tasks.rllib.config.catalog import algorithm_named
        from tune_tasks.rllib.config.ignored_keys import ignored_keys
        algorithm_named("PPO"), ignored_keys("PPO", {"devices": []})
        print({"ray", "torch", "gymnasium"} & set(sys.modules))
    """
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
