"""Recorded data.

What BC, MARWIL, CQL and IQL read, in which batches, and that they learn from it without Ray Data.
"""

import contextlib
import json
import os
import pathlib

import gymnasium
import msgpack
import msgpack_numpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import ray
import torch
from ray.data.block import BlockAccessor
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.checkpoints import Checkpointable

from tune_tasks.errors import ConfigError, TrainableError, UsageError
from tune_tasks.rllib.checkpoints import Checkpoint, write
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS
from tune_tasks.rllib.data.recording import write_recording
from tune_tasks.rllib.evaluate import evaluate
from tune_tasks.rllib.trainable import built
from tune_tasks.trial.report_rows import Earlier

pytestmark = pytest.mark.rllib

ON_DATA = [each.name for each in ALGORITHMS.values() if each.learns_from_data]
ENVS = {"CQL": "Pendulum-v1", "IQL": "Pendulum-v1"}
OBS, ACTIONS = f"{DEFAULT_MODULE_ID}/obs", f"{DEFAULT_MODULE_ID}/actions"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def played(env, episodes, steps=30):
    """Episodes of an agent that pushes the pole back, or the pendulum at random."""
    made, rng = gymnasium.make(env, max_episode_steps=steps), np.random.default_rng(0)
    for number in range(episodes):
        seen, _ = made.reset(seed=number)
        episode, over = SingleAgentEpisode(observations=[seen]), False
        while not over:
            action = (
                int(seen[2] > 0)
                if env == "CartPole-v1"
                else rng.uniform(-1, 1, 1).astype(np.float32)
            )
            seen, reward, terminated, truncated, _ = made.step(action)
            episode.add_env_step(seen, action, reward, terminated=terminated, truncated=truncated)
            over = terminated or truncated
        yield episode


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def recordings(folder):
    """A recording of each environment, and how many steps it has."""
    steps = {}
    for env in ("CartPole-v1", "Pendulum-v1"):
        episodes = list(played(env, 10))
        write_recording(folder / f"{env}.parquet", episodes)
        steps[env] = sum(map(len, episodes))
    return steps


@pytest.fixture
def algorithm(folder, recordings):
    """Builds an algorithm whose iterations take a moment; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def build(alg, **config):
            env = ENVS.get(alg, "CartPole-v1")
            small = {
                "train_batch_size": 32,
                "min_train_timesteps_per_iteration": 64,
                "model": {"fcnet_hiddens": [16]},
                "seed": 1,
            }
            given = {"input_": f"{env}.parquet", **small, **config}
            return stack.enter_context(built(algorithm_config(alg, env, given, [folder]), None))

        yield build


def weights(algorithm):
    state = algorithm.learner_group._learner.get_state(components=COMPONENT_RL_MODULE)
    return state[COMPONENT_RL_MODULE][DEFAULT_MODULE_ID]


def rows(batches):
    return np.concatenate([batch[OBS] for batch in batches])


@pytest.mark.parametrize("alg", ON_DATA)
def test_each_algorithm_learns_and_its_checkpoint_is_what_was(alg, algorithm, tmp_path):
    one = algorithm(alg)
    before = weights(one)
    result = one.train()
    assert any(not np.array_equal(before[name], value) for name, value in weights(one).items())
    learned = result["learners"]["__all_modules__"]
    assert learned["num_env_steps_trained_lifetime"] == 64
    one.save_to_path(tmp_path)
    other = algorithm(alg, seed=2)
    Checkpointable.restore_from_path(other, str(tmp_path))
    assert all(np.array_equal(value, weights(one)[name]) for name, value in weights(other).items())


@pytest.mark.parametrize("alg", ON_DATA)
def test_a_checkpoint_is_played_without_its_data(alg, algorithm, tmp_path):
    env = ENVS.get(alg, "CartPole-v1")
    config = {"input_": "gone.parquet", "model": {"fcnet_hiddens": [16]}}
    what = Checkpoint(alg, env, config, Earlier(1, 1.0, 1))
    folder = tmp_path
    write(folder, what, algorithm(alg).save_to_path)
    assert [length > 0 for _, length in evaluate(folder, 2, seed=0)] == [True, True]


def test_actions_are_recorded_as_the_environment_took_them(tmp_path):
    episodes = list(played("Pendulum-v1", 2))
    write_recording(tmp_path / "clipped.parquet", episodes, (-0.5, 0.5))
    written = np.stack(pa.parquet.read_table(tmp_path / "clipped.parquet")["actions"].to_numpy())
    given = np.concatenate([episode.get_actions() for episode in episodes])
    assert np.array_equal(written, np.clip(given, -0.5, 0.5))
    assert not np.array_equal(written, given)


def test_filtered_observations_are_not_recorded(tmp_path):
    what = Checkpoint(
        "PPO", "CartPole-v1", {"observation_filter": "MeanStdFilter"}, Earlier(1, 1.0, 1)
    )
    folder = tmp_path
    write(folder, what, os.mkdir)
    with pytest.raises(UsageError, match="--record: this policy sees filtered observations"):
        evaluate(folder, 1, record=tmp_path / "x.parquet")


@pytest.mark.parametrize("alg", ["CQL", "IQL"])
def test_discrete_actions_are_not_for_all(alg):
    with pytest.raises(
        ConfigError,
        match=rf"{alg} is for continuous actions, those of CartPole-v1 are Discrete\(2\)",
    ):
        algorithm_config(alg, "CartPole-v1", {"input_": "s3://b/f"})


def test_an_environment_that_cannot_be_filmed(algorithm, tmp_path, monkeypatch):
    (tmp_path / "unfilmed.py").write_text(
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "class Unfilmed(CartPoleEnv):\n    def __init__(self):\n        super().__init__()\n"
    )
    monkeypatch.chdir(tmp_path)
    what = Checkpoint(
        "BC",
        "unfilmed:Unfilmed",
        {"input_": "x", "model": {"fcnet_hiddens": [16]}},
        Earlier(1, 1.0, 1),
    )
    folder = tmp_path
    write(folder, what, algorithm("BC").save_to_path)
    assert len(evaluate(folder, 1)) == 1
    with pytest.raises(UsageError, match="--render: unfilmed:Unfilmed takes no `render_mode`"):
        evaluate(folder, 1, render=tmp_path / "x.gif")


def test_what_was_done_is_learned(algorithm, folder):
    trained = algorithm("BC", lr=0.01, min_train_timesteps_per_iteration=6400)
    table = pa.parquet.read_table(folder / "CartPole-v1.parquet")
    seen = torch.tensor(np.stack(table["obs"].to_numpy()))
    done = torch.tensor(table["actions"].to_numpy())

    def right():
        with torch.no_grad():
            out = trained.learner_group._learner.module[DEFAULT_MODULE_ID].forward_inference(
                {"obs": seen}
            )
        return float((out["action_dist_inputs"].argmax(dim=1) == done).float().mean())

    trained.train()
    assert right() > 0.9  # of two actions


@pytest.mark.parametrize("alg", ["BC", "MARWIL"])
def test_an_epoch_is_every_step_once_in_train_batches(alg, algorithm, recordings, folder):
    data = algorithm(alg).offline_data
    batches = list(data.epoch(32))
    steps = recordings["CartPole-v1"]
    assert [len(batch[OBS]) for batch in batches] == [32] * (steps // 32) + [steps % 32]
    recorded = np.stack(pa.parquet.read_table(folder / "CartPole-v1.parquet")["obs"].to_numpy())
    assert np.array_equal(rows(batches), recorded)
    assert np.array_equal(rows(data.epoch(32)), recorded)
    whole = algorithm(alg, iter_batches_kwargs={"drop_last": True}).offline_data
    assert {len(batch[OBS]) for batch in whole.epoch(32)} == {32}


SHUFFLED = {"local_shuffle_buffer_size": 1000}


def test_rows_are_shuffled_as_the_config_says(algorithm):
    ordered = rows(algorithm("BC").offline_data.epoch(32))
    data = algorithm("BC", iter_batches_kwargs=SHUFFLED).offline_data
    first, second = rows(data.epoch(32)), rows(data.epoch(32))
    assert np.array_equal(np.sort(ordered, axis=0), np.sort(first, axis=0))
    assert not np.array_equal(ordered, first)
    assert not np.array_equal(first, second)
    again = algorithm("BC", iter_batches_kwargs=SHUFFLED).offline_data
    assert np.array_equal(rows(again.epoch(32)), first)
    other = algorithm("BC", iter_batches_kwargs={**SHUFFLED, "local_shuffle_seed": 9}).offline_data
    assert not np.array_equal(rows(other.epoch(32)), first)


@pytest.mark.parametrize("alg", ON_DATA)
def test_each_algorithm_gets_shuffled_batches_one_after_the_other(alg, algorithm, recordings):
    data = algorithm(alg, iter_batches_kwargs=SHUFFLED).offline_data
    given = data.sample(32)
    if alg == "CQL":
        batches = given[0].iter_torch_batches(batch_size=32, device="cpu")
        seen = [
            next(batches)[OBS].numpy() for _ in range(2 * (-(-recordings["Pendulum-v1"] // 32)))
        ]
    else:
        count = 2 * (-(-recordings[ENVS.get(alg, "CartPole-v1")] // 32))
        seen = [given[DEFAULT_MODULE_ID]["obs"]] + [
            data.sample(32)[DEFAULT_MODULE_ID]["obs"] for _ in range(count - 1)
        ]
    half = len(seen) // 2
    first, second = np.concatenate(seen[:half]), np.concatenate(seen[half:])
    assert np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_made_ready_is_kept_or_made_again(kept, algorithm):
    data = algorithm("BC", materialize_mapped_data=kept, materialize_data=not kept).offline_data
    first = rows(data.epoch(32))
    blocks = data._blocks
    data._blocks = lambda: pytest.fail("read again") if kept else blocks()
    assert np.array_equal(rows(data.epoch(32)), first)


def test_advantages_follow_the_value_function(algorithm):
    """RLlib's own pipeline has them estimated by the networks as they were at the start, for ever."""
    marwil = algorithm("MARWIL", lr=0.05, prelearner_module_synch_period=1)
    advantages = f"{DEFAULT_MODULE_ID}/advantages"
    before = next(marwil.offline_data.epoch(32))[advantages]
    marwil.train()
    assert not np.allclose(before, next(marwil.offline_data.epoch(32))[advantages])


@pytest.mark.parametrize("alg", ["BC", "MARWIL"])
def test_whole_episodes_of_rllibs_recorder(alg, algorithm, folder):
    packed = [
        msgpack.packb(episode.get_state(), default=msgpack_numpy.encode)
        for episode in played("CartPole-v1", 5)
    ]
    pa.parquet.write_table(pa.table({"item": packed}), folder / "episodes.parquet")
    data = algorithm(alg, input_="episodes.parquet", input_read_episodes=True).offline_data
    recorded = np.concatenate(
        [np.asarray(episode.get_observations())[:-1] for episode in played("CartPole-v1", 5)]
    )
    assert np.array_equal(rows(data.epoch(32)), recorded)


def test_sample_batches_in_json_lines(algorithm, folder):
    lines = []
    for number, episode in enumerate(played("CartPole-v1", 5)):
        seen = np.asarray(episode.get_observations())
        ends = [False] * (len(episode) - 1) + [True]
        columns = {"obs": seen[:-1].tolist(), "new_obs": seen[1:].tolist(), "terminateds": ends}
        done = {
            "actions": list(map(int, episode.get_actions())),
            "rewards": list(map(float, episode.get_rewards())),
        }
        lines.append(json.dumps({**columns, **done, "eps_id": [number] * len(episode)}))
    (folder / "batches.json").write_text("\n".join(lines))
    how = {"input_read_method": "read_json", "input_read_sample_batches": True}
    data = algorithm("BC", input_="batches.json", **how).offline_data
    assert {batch[OBS].shape[1:] for batch in data.epoch(32)} == {(4,)}


def test_steps_in_json_lines_with_names_of_their_own(algorithm, folder):
    (episode,) = played("CartPole-v1", 1)
    seen = np.asarray(episode.get_observations()).tolist()
    done = [int(action) for action in episode.get_actions()]
    steps = [
        {"o": seen[t], "a": done[t], "r": 1.0, "o2": seen[t + 1], "end": False}
        for t in range(len(episode))
    ]
    (folder / "steps.json").write_text("\n".join(map(json.dumps, steps)))
    names = {"obs": "o", "actions": "a", "rewards": "r", "new_obs": "o2", "terminateds": "end"}
    data = algorithm(
        "BC", input_=["steps.json"], input_read_method="read_json", input_read_schema=names
    ).offline_data
    assert rows(data.epoch(32)).shape == (len(episode), 4)


def test_images_as_nested_lists_and_of_another_shape(algorithm, folder):
    (episode,) = played("CartPole-v1", 1)
    seen = np.asarray(episode.get_observations()).tolist()
    columns = {
        "actions": [0, 1],
        "rewards": [1.0, 1.0],
        "terminateds": [False, True],
        "comment": ["a", "b"],
    }
    nested = {
        **columns,
        "obs": [[row] for row in seen[:2]],
        "new_obs": [[row] for row in seen[1:3]],
    }
    pa.parquet.write_table(pa.table(nested), folder / "nested.parquet")
    with pytest.raises(
        TrainableError,
        match=r"observations of the shape \(1, 4\); those of the environment have \(4,\)",
    ):
        algorithm("BC", input_="nested.parquet").train()
    flat = {**columns, "obs": seen[:2], "new_obs": seen[1:3]}
    pa.parquet.write_table(pa.table(flat), folder / "flat.parquet")
    assert rows(algorithm("BC", input_="flat.parquet").offline_data.epoch(2)).dtype == np.float32


@pytest.mark.parametrize("alg", ON_DATA)
def test_too_few_steps_for_a_batch_are_an_error_not_a_loop(alg, algorithm):
    few = algorithm(alg, train_batch_size=5000, iter_batches_kwargs={"drop_last": True})
    with pytest.raises(
        TrainableError, match=r"holds fewer than 5000 steps, of which `drop_last` leaves none"
    ):
        few.train()


def test_no_rows_are_an_error_not_a_loop(algorithm, folder):
    table = pa.parquet.read_table(folder / "CartPole-v1.parquet")
    pa.parquet.write_table(table.slice(0, 0), folder / "empty.parquet")
    with pytest.raises(TrainableError, match=r"input_: .*/empty\.parquet holds no rows"):
        algorithm("BC", input_="empty.parquet").train()


@pytest.mark.parametrize(
    ("alg", "config", "key", "message"),
    [
        ("BC", {}, (), "BC learns from recorded data: expected `input`, a file or a folder"),
        ("BC", {"input_": "absent"}, ("input_",), "there is no {folder}/absent"),
        ("BC", {"input": []}, ("input",), "expected a file or a folder"),
        ("BC", {"input": ""}, ("input",), "expected a file or a folder"),
        ("BC", {"input_": 3}, ("input_",), "expected a text or a list, got 3"),
        (
            "BC",
            {"input_": "text.parquet"},
            ("input_",),
            "{folder}/text.parquet cannot be read as parquet: ",
        ),
        (
            "BC",
            {"input_": "other.parquet"},
            ("input_",),
            "{folder}/other.parquet has no column obs, actions, rewards, new_obs, terminateds",
        ),
        (
            "BC",
            {"input_": "other.parquet", "input_read_episodes": True},
            ("input_",),
            "has no column item (its",
        ),
        (
            "PPO",
            {"input_": "other.parquet"},
            ("input_",),
            "has no effect on PPO: it is for algorithms that learn",
        ),
        (
            "PPO",
            {"output": "x"},
            ("output",),
            "`tune-tasks evaluate CHECKPOINT --record FILE` records",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "num_learners": 1},
            ("num_learners",),
            "it reads its data in the trial's own process",
        ),
        ("BC", {"input_": "s3://b/f", "num_workers": 1}, ("num_workers",), "it learns from data"),
        (
            "BC",
            {"input_": "s3://b/f", "observation_filter": "MeanStdFilter"},
            ("observation_filter",),
            "which is taken as it is",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "input_read_method": "read_csv"},
            ("input_read_method",),
            "expected 'read_parquet' or",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "dataset_num_iters_per_learner": 9},
            ("dataset_num_iters_per_learner",),
            "expected 1, got 9",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "model": {"use_lstm": True}},
            ("model", "use_lstm"),
            "learns from single steps",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "offline_data_class": None},
            ("offline_data_class",),
            "is a Python object",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "input_read_schema": None},
            ("input_read_schema",),
            "expected a mapping, got None",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "input_read_schema": {"obs": 3}},
            ("input_read_schema", "obs"),
            "expected a text, got 3",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "input_read_schema": {"ob": "o"}},
            ("input_read_schema", "ob"),
            "did you mean 'obs'?",
        ),
        ("BC", {"input_": "nothing"}, ("input_",), "{folder}/nothing holds no files"),
        ("BC", {"input_": "mixed"}, ("input_",), "{folder}/mixed has no column rewards"),
        ("BC", {"input_": "~nobody-here/x"}, ("input_",), "there is no {folder}/~nobody-here/x"),
        ("BC", {"input_": "s3://b/f", "gamma": 0.9}, ("gamma",), "BC imitates"),
        (
            "MARWIL",
            {"input_": "s3://b/f", "ignore_final_observation": True},
            ("ignore_final_observation",),
            "the others learn",
        ),
        ("CQL", {"input_": "s3://b/f", "buffer_size": 5}, ("buffer_size",), "has no replay buffer"),
        (
            "CQL",
            {"input_": "s3://b/f", "actor_lr": [[0, 0.1], [9, 0.01]]},
            ("actor_lr",),
            "does not count steps",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "input_read_episodes": True, "input_read_schema": {"obs": "o"}},
            ("input_read_schema",),
            "has no effect on whole episodes",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "evaluation_config": {"input_": "x"}},
            ("evaluation_config", "input_"),
            "cannot differ in evaluation",
        ),
        (
            "BC",
            {"input_": "pickled.parquet"},
            ("input_",),
            "pickled.parquet cannot be read as parquet: This file contains",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "iter_batches_kwargs": {"local_shuffle_bufer_size": 3}},
            ("iter_batches_kwargs", "local_shuffle_bufer_size"),
            "unknown key; did you mean 'local_shuffle_buffer_size'?",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "iter_batches_kwargs": 3},
            ("iter_batches_kwargs",),
            "expected a mapping, got 3",
        ),
        (
            "BC",
            {"input_": "s3://b/f", "iter_batches_kwargs": {"drop_last": 1}},
            ("iter_batches_kwargs", "drop_last"),
            "expected true or false, got 1",
        ),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_starts(alg, config, key, message, folder):
    (folder / "text.parquet").write_text("no Parquet")
    pa.parquet.write_table(pa.table({"state": [1, 2]}), folder / "other.parquet")
    (folder / "nothing").mkdir(exist_ok=True)
    (folder / "mixed").mkdir(exist_ok=True)
    whole = {
        "obs": [[0.0] * 4],
        "new_obs": [[0.0] * 4],
        "actions": [0],
        "rewards": [1.0],
        "terminateds": [True],
    }
    pa.parquet.write_table(pa.table(whole), folder / "mixed" / "a.parquet")
    pa.parquet.write_table(pa.table(whole).drop_columns("rewards"), folder / "mixed" / "b.parquet")
    objects = np.array([pathlib.Path("x"), pathlib.Path("y")], dtype=object)
    pa.parquet.write_table(
        BlockAccessor.batch_to_block({"obs": objects}), folder / "pickled.parquet"
    )
    with pytest.raises(ConfigError) as error:
        algorithm_config(alg, ENVS.get(alg, "CartPole-v1"), config, [folder])
    assert message.format(folder=folder) in str(error.value)
    assert error.value.key == key
