"""Environments: which `env` there is, what it means, and what wraps it."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from tune_tasks.errors import UsageError
from tune_tasks.rllib.config.options import EnvironmentOptions
from tune_tasks.rllib.envs.env_ids import check_environment, is_atari
from tune_tasks.rllib.envs.environments import (
    make_environment,
    try_environment,
)

pytestmark = pytest.mark.rllib

PLAIN = EnvironmentOptions()
STAY = 1  # in MountainCar: no force, for ever


def ale_of(env):
    return env.unwrapped.ale


def step(env, action=0):
    observation, reward, terminated, truncated, _ = env.step(action)
    return observation, reward, terminated or truncated


def length(env):
    env.reset(seed=1)
    return next(n for n in range(1, 1_000) if step(env, STAY)[2])


# which there are


@pytest.mark.parametrize(
    "env",
    ["CartPole-v0", "CartPole-v1", "Pendulum-v1", "ALE/Pong-v5", "ale_py:ALE/Pong-v5", "Pong-v4"],
)
def test_ids_of_gymnasium(env):
    check_environment(env)
    make_environment(env, PLAIN).reset(seed=1)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            "Pendulum-v0",
            (
                r"'Pendulum-v0' does not exist \(any more\); the newest version in Gymnasium 1\.\S+"
                r" is 'Pendulum-v1'"
            ),
        ),
        ("Walker2d-v1", r"the newest version .* is 'Walker2d-v5'"),
        ("Ant-v3", r"'Ant-v3' does not exist \(any more\); .* is 'Ant-v5'"),
        ("CartPole", r"'CartPole' names no version; .* is 'CartPole-v1'"),
        ("CartPoll-v1", r"no environment is named 'CartPoll-v1'; did you mean 'CartPole-v1'\?"),
        ("PongDeterminstic-v4", r"did you mean 'PongDeterministic-v4'\?"),
        ("a b", r"expected an id such as CartPole-v1, or `module:Class`; got 'a b'"),
    ],
)
def test_an_unknown_id_is_told_the_nearest(env, message):
    with pytest.raises(UsageError, match=message):
        check_environment(env)
    with pytest.raises(UsageError, match=r"env: "):
        make_environment(env, PLAIN)


@pytest.mark.parametrize(
    ("env", "module"), [("Ant-v5", "mujoco"), ("LunarLander-v3", "Box2D"), ("Pong-v4", "PIL")]
)
def test_a_missing_library_is_named_with_its_installation(env, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        UsageError, match=rf"env: '{env}' needs {module}, which is not installed: pip install '"
    ):
        check_environment(env)


# Atari


def test_every_classic_game_has_the_ids_of_2017():
    check_environment("Pong-v4")
    games = [
        env.removesuffix("NoFrameskip-v4")
        for env in gymnasium.registry
        if env.endswith("NoFrameskip-v4")
    ]
    games = [game for game in games if not game.endswith("-ram")]
    assert len(games) > 55
    for game in games:
        for version, sticky in {"v0": 0.25, "v4": 0.0}.items():
            for kind in (
                "Deterministic",
                "NoFrameskip",
                "",
                "-ram",
                "-ramDeterministic",
                "-ramNoFrameskip",
            ):
                kwargs = gymnasium.spec(f"{game}{kind}-{version}").kwargs
                assert (kwargs["repeat_action_probability"], kwargs["full_action_space"]) == (
                    sticky,
                    False,
                )
                assert is_atari(f"{game}{kind}-{version}") == ("-ram" not in kind)


@pytest.mark.parametrize(
    ("env", "frames", "sticky"),
    [
        ("PongDeterministic-v4", 4, 0.0),
        ("BreakoutDeterministic-v0", 4, 0.25),
        ("SpaceInvadersDeterministic-v4", 3, 0.0),
        ("PongNoFrameskip-v4", 1, 0.0),
        ("Pong-ramDeterministic-v0", 4, 0.25),
    ],
)
def test_what_the_ids_of_2017_mean(env, frames, sticky):
    made = make_environment(env, PLAIN)
    made.reset(seed=1)
    before = ale_of(made).getFrameNumber()
    for _ in range(5):
        step(made)
    assert ale_of(made).getFrameNumber() - before == 5 * frames
    assert ale_of(made).getFloat("repeat_action_probability") == sticky
    assert made.action_space.n == len(ale_of(made).getMinimalActionSet())


def test_deterministic_v4_repeats_itself():
    def play():
        env = make_environment("PongDeterministic-v4", PLAIN)
        env.reset(seed=7)
        return [step(env, n % 6)[0] for n in range(40)]

    np.testing.assert_array_equal(play(), play())


def test_the_images_by_default():
    env = make_environment("PongDeterministic-v4", PLAIN)
    assert env.observation_space == spaces.Box(0, 1, (42, 42, 4), np.float32)
    image, _ = env.reset(seed=1)
    assert image.dtype == np.float32
    assert env.observation_space.contains(image)
    # 210 × 160: five lines are one pixel
    screen = ale_of(env).getScreenGrayscale().astype(np.float32) / 255
    np.testing.assert_allclose(
        image[:, :, -1].mean(axis=1), screen.reshape(42, 5, 160).mean(axis=(1, 2)), atol=0.005
    )


def test_the_last_images_are_in_the_channels_the_newest_last():
    env = make_environment("PongDeterministic-v4", PLAIN)
    image, _ = env.reset(seed=1)
    assert all(np.array_equal(image[..., 0], image[..., n]) for n in range(4))
    for _ in range(30):
        before, image = image, step(env, 2)[0]
    np.testing.assert_array_equal(image[..., :3], before[..., 1:])
    assert not np.array_equal(image[..., 3], image[..., 2])


@pytest.mark.parametrize(
    ("options", "shape", "low"),
    [
        ({"dim": 84}, (84, 84, 4), 0),
        ({"framestack": 1}, (42, 42, 1), 0),
        ({"grayscale": False}, (42, 42, 12), 0),
        ({"grayscale": False, "framestack": 1, "dim": 80, "zero_mean": True}, (80, 80, 3), -1),
    ],
)
def test_the_options_of_the_images(options, shape, low):
    env = make_environment("PongDeterministic-v4", replace(PLAIN, **options))
    assert env.observation_space == spaces.Box(low, 1, shape, np.float32)
    image, _ = env.reset(seed=1)
    assert env.observation_space.contains(image)
    assert np.ptp(image) > 0.3
    assert (image.min() < 0) == (low < 0)


def test_colours_are_kept_where_they_are_wanted():
    env = make_environment("PongDeterministic-v4", replace(PLAIN, grayscale=False, framestack=1))
    image, _ = env.reset(seed=1)
    assert np.abs(image[..., 0] - image[..., 2]).max() > 0.2


def test_the_memory_of_the_console_lies_around_zero():
    env = make_environment("Pong-ram-v4", PLAIN)
    assert env.observation_space == spaces.Box(-1, 1, (128,), np.float32)
    memory, _ = env.reset(seed=1)
    np.testing.assert_allclose(memory, ale_of(env).getRAM() / 127.5 - 1, atol=1e-6)


def test_frame_repeat_shows_sprites_that_are_drawn_on_every_second_frame():
    env = make_environment(
        "SpaceInvadersNoFrameskip-v4", replace(PLAIN, frame_repeat=4, framestack=1)
    )
    env.reset(seed=1)
    before = ale_of(env).getFrameNumber()
    step(env)
    assert ale_of(env).getFrameNumber() - before == 4
    assert any(wrapper.name == "MaxAndSkipObservation" for wrapper in env.spec.additional_wrappers)


# wrappers for every environment


@pytest.mark.parametrize(("horizon", "ends"), [(10, 10), (200, 200), (500, 200), (None, 200)])
def test_a_horizon_never_lifts_the_environments_own_limit(horizon, ends):
    assert length(make_environment("MountainCar-v0", replace(PLAIN, horizon=horizon))) == ends


def test_repeated_actions_sum_their_rewards_and_end_with_the_episode():
    env = make_environment("MountainCar-v0", replace(PLAIN, frame_repeat=30))
    env.reset(seed=1)
    rewards = [step(env, STAY) for _ in range(7)]
    assert [reward for _, reward, _ in rewards] == [-30.0] * 6 + [-20.0]
    assert [done for _, _, done in rewards] == [False] * 6 + [True]


def test_a_horizon_counts_actions():
    assert (
        length(make_environment("MountainCar-v0", replace(PLAIN, frame_repeat=5, horizon=8))) == 8
    )


@pytest.mark.parametrize(
    ("env", "size"), [("FrozenLake-v1", 16), ("Taxi-v3", 500), ("Blackjack-v1", 32 + 11 + 2)]
)
def test_what_is_no_vector_becomes_one(env, size):
    made = make_environment(env, PLAIN)
    assert made.observation_space == spaces.Box(0, 1, (size,), np.float32)
    observation, _ = made.reset(seed=1)
    assert observation.dtype == np.float32
    assert made.observation_space.contains(observation)
    assert sum(observation) == (3 if env == "Blackjack-v1" else 1)


def test_arguments_reach_the_environment():
    env = make_environment(
        "Pendulum-v1", replace(PLAIN, arguments={"g": 1.5, "render_mode": "rgb_array"})
    )
    assert (env.unwrapped.g, env.render_mode) == (1.5, "rgb_array")


# a user's class


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module beside the spec, in the working directory, and forgets it afterwards."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="my_environments"):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_a_class_is_found_without_executing_its_module(module):
    name = module("raise RuntimeError('executed')\nclass Walk: ...\n")
    check_environment(f"{name}:Walk")
    with pytest.raises(UsageError, match=r"my_environments has no 'Wlak'; did you mean 'Walk'\?"):
        check_environment(f"{name}:Wlak")


def test_packages_around_a_module_are_not_executed_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('executed')")
    (package / "worlds.py").write_text("from elsewhere import *")
    check_environment("my_package.worlds:AnythingMayBeThere")
    with pytest.raises(UsageError, match=r"no module 'my_package\.words'; looked in "):
        check_environment("my_package.words:World")


def test_a_module_with_an_error_in_its_syntax(module):
    with pytest.raises(
        UsageError, match=r"my_environments\.py:1:\d+: the script is not valid Python"
    ):
        check_environment(f"{module('class Walk(')}:Walk")


def test_an_id_that_a_module_registers(module):
    check_environment(f"{module('raise RuntimeError')}:Walk-v0")
    with pytest.raises(UsageError, match=r"no module 'nowhere'"):
        check_environment("nowhere:Walk-v0")


@pytest.mark.parametrize(
    "signature", ["self, config", "self, env_config=None", "self, *, size, slippery=False"]
)
def test_a_class_gets_env_config_in_rllibs_way_or_in_gymnasiums(
    module, signature, monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(tmp_path)
    name = module(f"""
        import gymnasium
        class Walk(gymnasium.Env):
            observation_space = gymnasium.spaces.Discrete(5)
            action_space = gymnasium.spaces.Discrete(2)
            def __init__({signature}):
                given = locals().get("config") or locals().get("env_config") or {{"size": locals().get("size")}}
                self.size = given["size"]
    """)
    env = make_environment(f"{name}:Walk", replace(PLAIN, arguments={"size": 9}))
    assert env.unwrapped.size == 9
    assert env.observation_space.shape == (5,)


def test_a_class_that_makes_an_atari_game_gets_its_images(module, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    name = module("""
        from ale_py.env import AtariEnv
        def pong():
            return AtariEnv("pong", frameskip=2)
    """)
    env = make_environment(f"{name}:pong", replace(PLAIN, dim=64))
    assert env.observation_space.shape == (64, 64, 12)  # RGB: its own choice


def test_a_process_that_plays_says_nothing_of_ale_or_of_old_ids():
    code = """if True:
        from tune_tasks.rllib.envs.environments import EnvironmentOptions, make_environment
        for env in ("PongDeterministic-v4", "CartPole-v0"):
            make_environment(env, EnvironmentOptions()).reset()
    """
    said = subprocess.run(
        [sys.executable, "-Walways::DeprecationWarning:gymnasium", "-c", code],
        capture_output=True,
        check=True,
    )
    assert (said.stdout, said.stderr) == (b"", b"")


# what is not as Gymnasium wants it

HEAD = """
    import gymnasium, numpy
    class Base(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (3,), numpy.float32)
        action_space = gymnasium.spaces.Discrete(2)
        def reset(self, *, seed=None, options=None):
            return numpy.zeros(3, numpy.float32), {}
        def step(self, action):
            return numpy.zeros(3, numpy.float32), 1.0, False, False, {}
"""
WRONG = {
    "reset without a seed": (
        "class Walk(Base):\n    def reset(self):\n        return numpy.zeros(3)",
        (
            "`reset` of m:Walk takes no `seed`, as in Gym before 0.26: write `def reset(self, *,"
            " seed=None, options=None)`, which"
        ),
    ),
    "reset without an info": (
        "class Walk(Base):\n    def reset(self, **_):\n        return numpy.zeros(3)",
        (
            "`reset` of m:Walk returns the observation alone, as in Gym before 0.26: write `def"
            " reset(self, *, seed=None,"
        ),
    ),
    "a step of four values": (
        (
            "class Walk(Base):\n    def step(self, action):\n        return numpy.zeros(3), 1.0,"
            " False, {}"
        ),
        (
            "`step` of m:Walk returns 4 values, as in Gym before 0.26: return `observation, reward,"
            " terminated, truncated, info`"
        ),
    ),
    "another shape at the start": (
        "class Walk(Base):\n    def reset(self, **_):\n        return numpy.zeros(4), {}",
        "`reset` of m:Walk: an observation has the shape (4,), but `observation_space` says (3,)",
    ),
    "several agents": (
        "class MultiAgentEnv(Base): pass\nclass Walk(MultiAgentEnv): pass",
        "m:Walk is for several agents; the environments here have one, as a gymnasium.Env has",
    ),
    "no space": (
        "class Walk(gymnasium.Env): pass",
        "m:Walk has no `observation_space`: set a space of gymnasium.spaces",
    ),
    "no environment": ("class Walk: pass", "expected a gymnasium.Env, m:Walk is of Walk"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_not_as_gymnasium_wants_it_is_told_what_to_write(
    module, text, message, monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(tmp_path)
    module(textwrap.dedent(HEAD) + text + "\n", "m")
    with pytest.raises(UsageError) as error:
        try_environment("m:Walk", PLAIN, 1)
    assert str(error.value).startswith(f"env: {message}")


def test_an_environment_of_old_gym_is_told_so(module, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    module("class Env: pass\n", "gym")
    module("import gym\nclass Walk(gym.Env): pass\n", "m")
    with pytest.raises(
        UsageError,
        match=(
            "env: m:Walk is made for Gym, which Gymnasium has replaced: `import gymnasium as gym`"
        ),
    ):
        try_environment("m:Walk", PLAIN, 1)
    monkeypatch.delitem(sys.modules, "gym")


def test_an_id_of_ones_own_package(module, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    register = "gymnasium.register('mine/Walk-v0', entry_point=Base)\n"
    module(textwrap.dedent(HEAD) + register, "m")
    try_environment("m:mine/Walk-v0", PLAIN, 1).close()
    with pytest.raises(
        UsageError,
        match=r"env: m does not register it: 'mine/Walk-v1' does not exist .* is 'mine/Walk-v0'",
    ):
        make_environment("m:mine/Walk-v1", PLAIN)
    del gymnasium.registry["mine/Walk-v0"]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            "my_pkg.envs.MyEnv",
            "env: a class is written `module:Class`: my_pkg.envs:MyEnv; got 'my_pkg.envs.MyEnv'",
        ),
        (
            "my_pkg/MyEnv-v0",
            (
                "an id that a package of yours registers is written with the package before it:"
                " `package:my_pkg/MyEnv-v0`"
            ),
        ),
    ],
)
def test_what_is_written_otherwise_is_told_how(env, message):
    with pytest.raises(UsageError) as error:
        check_environment(env)
    assert message in str(error.value)
