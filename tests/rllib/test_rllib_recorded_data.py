"""Recorded data: what BC, MARWIL, CQL and IQL read, in which batches, and that they learn from it without Ray Data."""

import contextlib
import json

import gymnasium
import msgpack
import msgpack_numpy
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import ray
import torch
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.checkpoints import Checkpointable

from tune_tasks.errors import ConfigError, TrainableError
from tune_tasks.rllib.config_keys import algorithm_config
from tune_tasks.rllib.recording import write_recording
from tune_tasks.rllib.settings import ON_DATA
from tune_tasks.rllib.trainable import built

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
            action = int(seen[2] > 0) if env == "CartPole-v1" else rng.uniform(-1, 1, 1).astype(np.float32)
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
            small = {"train_batch_size": 32, "dataset_num_iters_per_learner": 2, "model": {"fcnet_hiddens": [16]}, "seed": 1}
            small |= {"min_time_s_per_iteration": 0, "min_train_timesteps_per_iteration": 0}  # CQL's would be some more
            given = {"input_": f"{env}.parquet", **small, **config}
            return stack.enter_context(built(algorithm_config(alg, env, given, [folder]), None))

        yield build


def weights(algorithm):
    state = algorithm.learner_group._learner.get_state(components=COMPONENT_RL_MODULE)
    return state[COMPONENT_RL_MODULE][DEFAULT_MODULE_ID]


def rows(batches):
    return np.concatenate([batch[OBS] for batch in batches])


@pytest.mark.parametrize("alg", sorted(ON_DATA))
def test_each_algorithm_learns_and_its_checkpoint_is_what_was(alg, algorithm, tmp_path):
    one = algorithm(alg)
    before = weights(one)
    result = one.train()
    assert any(not np.array_equal(before[name], value) for name, value in weights(one).items())
    learned = result["learners"]["__all_modules__"]
    assert (learned["num_env_steps_trained_lifetime"], learned["dataset_num_iters_trained_lifetime"]) == (64, 2)
    one.save_to_path(tmp_path)
    other = algorithm(alg, seed=2)
    Checkpointable.restore_from_path(other, str(tmp_path))
    assert all(np.array_equal(value, weights(one)[name]) for name, value in weights(other).items())


def test_what_was_done_is_learned(algorithm, folder):
    trained = algorithm("BC", lr=0.01, dataset_num_iters_per_learner=200)
    table = pa.parquet.read_table(folder / "CartPole-v1.parquet")
    seen = torch.tensor(np.stack(table["obs"].to_numpy()))
    done = torch.tensor(table["actions"].to_numpy())

    def right():
        with torch.no_grad():
            out = trained.learner_group._learner.module[DEFAULT_MODULE_ID].forward_inference({"obs": seen})
        return float((out["action_dist_inputs"].argmax(dim=1) == done).float().mean())

    trained.train()
    assert right() > 0.9  # of two actions


def test_an_epoch_is_every_row_once_in_train_batches(algorithm, recordings, folder):
    data = algorithm("BC").offline_data
    batches = list(data.epoch(32))
    steps = recordings["CartPole-v1"]
    assert [len(batch[OBS]) for batch in batches] == [32] * (steps // 32) + [steps % 32]
    recorded = np.stack(pa.parquet.read_table(folder / "CartPole-v1.parquet")["obs"].to_numpy())
    assert np.array_equal(rows(batches), recorded)
    assert np.array_equal(rows(data.epoch(32)), recorded)
    assert {len(batch[OBS]) for batch in data.epoch(32, drop_last=True)} == {32}


def test_rows_are_shuffled_as_the_config_says(algorithm):
    data = algorithm("BC").offline_data
    ordered, shuffled = rows(data.epoch(32)), rows(data.epoch(32, local_shuffle_buffer_size=1000))
    assert not np.array_equal(ordered, shuffled)
    assert np.array_equal(np.sort(ordered, axis=0), np.sort(shuffled, axis=0))
    assert np.array_equal(shuffled, rows(data.epoch(32, local_shuffle_buffer_size=1000)))
    assert not np.array_equal(shuffled, rows(data.epoch(32, local_shuffle_buffer_size=1000, local_shuffle_seed=9)))


def test_single_batches_go_on_from_epoch_to_epoch(algorithm, recordings):
    data = algorithm("BC", dataset_num_iters_per_learner=1).offline_data
    count = -(-recordings["CartPole-v1"] // 32)
    batches = [data.sample(32) for _ in range(count + 1)]
    first, again = batches[0][DEFAULT_MODULE_ID]["obs"], batches[-1][DEFAULT_MODULE_ID]["obs"]
    assert np.array_equal(first, again)
    assert batches[0].env_steps() == 32


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


def test_whole_episodes_of_rllibs_recorder(algorithm, folder):
    packed = [msgpack.packb(episode.get_state(), default=msgpack_numpy.encode) for episode in played("CartPole-v1", 5)]
    pa.parquet.write_table(pa.table({"item": packed}), folder / "episodes.parquet")
    data = algorithm("BC", input_="episodes.parquet", input_read_episodes=True).offline_data
    batches = list(data.epoch(32))
    assert len(batches) >= 5
    assert {batch[OBS].shape[1:] for batch in batches} == {(4,)}


def test_sample_batches_in_json_lines(algorithm, folder):
    lines = []
    for number, episode in enumerate(played("CartPole-v1", 5)):
        seen = np.asarray(episode.get_observations())
        ends = [False] * (len(episode) - 1) + [True]
        columns = {"obs": seen[:-1].tolist(), "new_obs": seen[1:].tolist(), "terminateds": ends}
        done = {"actions": list(map(int, episode.get_actions())), "rewards": list(map(float, episode.get_rewards()))}
        lines.append(json.dumps({**columns, **done, "eps_id": [number] * len(episode)}))
    (folder / "batches.json").write_text("\n".join(lines))
    how = {"input_read_method": "read_json", "input_read_sample_batches": True}
    data = algorithm("BC", input_="batches.json", input_compress_columns=[], **how).offline_data
    assert {batch[OBS].shape[1:] for batch in data.epoch(32)} == {(4,)}


def test_steps_in_json_lines_with_names_of_their_own(algorithm, folder):
    (episode,) = played("CartPole-v1", 1)
    seen = np.asarray(episode.get_observations()).tolist()
    done = [int(action) for action in episode.get_actions()]
    steps = [{"o": seen[t], "a": done[t], "r": 1.0, "o2": seen[t + 1], "end": False} for t in range(len(episode))]
    (folder / "steps.json").write_text("\n".join(map(json.dumps, steps)))
    names = {"obs": "o", "actions": "a", "rewards": "r", "new_obs": "o2", "terminateds": "end"}
    data = algorithm("BC", input_=["steps.json"], input_read_method="read_json", input_read_schema=names).offline_data
    assert rows(data.epoch(32)).shape == (len(episode), 4)


def test_no_rows_are_an_error_not_a_loop(algorithm, folder):
    table = pa.parquet.read_table(folder / "CartPole-v1.parquet")
    pa.parquet.write_table(table.slice(0, 0), folder / "empty.parquet")
    with pytest.raises(TrainableError, match=r"input_: .*/empty\.parquet holds no rows"):
        algorithm("BC", input_="empty.parquet").train()


@pytest.mark.parametrize(
    ("alg", "config", "key", "message"),
    [
        ("BC", {}, (), "BC learns from recorded data: expected `input_`, a file or a folder"),
        ("BC", {"input_": "absent"}, ("input_",), "there is no {folder}/absent"),
        ("BC", {"input": []}, ("input",), "expected at least one file"),
        ("BC", {"input_": 3}, ("input_",), "expected a text or a list, got 3"),
        ("BC", {"input_": "text.parquet"}, ("input_",), "{folder}/text.parquet cannot be read as parquet: "),
        ("BC", {"input_": "other.parquet"}, ("input_",), "{folder}/other.parquet has no column actions, new_obs, obs, rewards"),
        ("BC", {"input_": "other.parquet", "input_read_episodes": True}, ("input_",), "has no column item (its"),
        ("PPO", {"input_": "other.parquet"}, ("input_",), "has no effect on PPO: it is for algorithms that learn"),
        ("PPO", {"output": "x"}, ("output",), "`tune-tasks evaluate CHECKPOINT --record FILE` records"),
        ("BC", {"input_": "s3://b/f", "num_learners": 1}, ("num_learners",), "it reads its data in the trial's own process"),
        ("BC", {"input_": "s3://b/f", "num_workers": 1}, ("num_workers",), "it learns from data"),
        ("BC", {"input_": "s3://b/f", "observation_filter": "MeanStdFilter"}, ("observation_filter",), "filter what"),
        ("BC", {"input_": "s3://b/f", "input_read_method": "read_csv"}, ("input_read_method",), "expected 'read_parquet' or"),
        ("CQL", {"input_": "s3://b/f", "dataset_num_iters_per_learner": 1}, ("dataset_num_iters_per_learner",), "2 or more"),
        ("BC", {"input_": "s3://b/f", "dataset_num_iters_per_learner": None}, ("dataset_num_iters_per_learner",), "a whole"),
        (
            "BC",
            {"input_": "s3://b/f", "iter_batches_kwargs": {"local_shuffle_bufer_size": 3}},
            ("iter_batches_kwargs", "local_shuffle_bufer_size"),
            "unknown key; did you mean 'local_shuffle_buffer_size'?",
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
    with pytest.raises(ConfigError) as error:
        algorithm_config(alg, ENVS.get(alg, "CartPole-v1"), config, [folder])
    assert message.format(folder=folder) in str(error.value)
    assert error.value.key == key
