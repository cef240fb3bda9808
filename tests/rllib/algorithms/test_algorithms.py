"""The exam of an algorithm, ours and RLlib's own.

Results, checkpoints, seeds, inference, evaluation, the end of its actors.
"""

import math
import os
import time

import gymnasium
import numpy as np
import pytest
import ray
import torch
import tree
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tune_tasks.rllib.algorithms.a2c import A2CConfig
from tune_tasks.rllib.algorithms.a3c import A3CConfig
from tune_tasks.rllib.algorithms.connectors import MergedMeanStdFilter, mean_std_filter
from tune_tasks.rllib.algorithms.es import ESConfig, Pair, centred_ranks, estimated_gradient, noise

pytestmark = pytest.mark.rllib

PATIENCE_S = 60.0
STEPS = "num_env_steps_sampled_lifetime"
OBSERVATIONS = torch.tensor(np.random.default_rng(0).normal(size=(64, 4)), dtype=torch.float32)

CONFIGS = {
    "A3C": lambda: A3CConfig().reporting(min_sample_timesteps_per_iteration=400),
    "A2C": lambda: (
        A2CConfig()
        .training(train_batch_size_per_learner=200)
        .reporting(min_sample_timesteps_per_iteration=400)
    ),
    "ES": lambda: ESConfig().training(episodes_per_batch=6),
    "PPO": lambda: PPOConfig().training(
        train_batch_size_per_learner=400, minibatch_size=100, num_epochs=2
    ),
    "DQN": lambda: (
        DQNConfig()
        .training(num_steps_sampled_before_learning_starts=100)
        .reporting(min_sample_timesteps_per_iteration=400)
        .env_runners(explore=False)
    ),
}


def small(alg, *, workers=0, seed=1, env="CartPole-v1", **model):
    """A configuration whose iterations take a moment, and in which several episodes end."""
    network = DefaultModelConfig(**{"fcnet_hiddens": [16], "vf_share_layers": False, **model})
    config = (
        CONFIGS[alg]()
        .environment(env)
        .env_runners(num_env_runners=workers)
        .rl_module(model_config=network)
    )
    return config.evaluation(evaluation_duration=2).debugging(seed=seed)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module", params=CONFIGS)
def alg(request):
    return request.param


@pytest.fixture(scope="module")
def trained(alg):
    """An algorithm after its first iteration, with that iteration's result."""
    algorithm = small(alg).build_algo()
    yield algorithm, algorithm.train()
    algorithm.stop()


def weights(algorithm):
    state = algorithm.learner_group._learner.get_state(components=COMPONENT_RL_MODULE)
    return state[COMPONENT_RL_MODULE][DEFAULT_MODULE_ID]


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


def actions(algorithm):
    """What `get_module()` does for some observations, deterministically."""
    module = algorithm.get_module()
    with torch.no_grad():
        out = module.forward_inference({Columns.OBS: OBSERVATIONS})
    if Columns.ACTIONS in out:
        return out[Columns.ACTIONS].tolist()
    policy = module.get_inference_action_dist_cls().from_logits(out[Columns.ACTION_DIST_INPUTS])
    return policy.to_deterministic().sample().tolist()


def test_results_have_the_standard_keys(trained):
    _, result = trained
    played = result["env_runners"]
    assert (
        played["episode_return_min"]
        <= played["episode_return_mean"]
        <= played["episode_return_max"]
    )
    assert played["episode_len_mean"] == played["episode_return_mean"]  # CartPole gives 1 a step
    assert played[STEPS] > 0
    assert played["num_episodes"] > 1
    learned = result["learners"][DEFAULT_MODULE_ID]
    assert math.isfinite(learned["default_optimizer_learning_rate"])
    assert result["training_iteration"] == 1


def test_the_networks_are_changed_by_training(alg, trained):
    untrained = small(alg).build_algo()
    assert not same(weights(untrained), weights(trained[0]))
    untrained.stop()


def test_a_checkpoint_goes_on_where_it_was(trained, tmp_path):
    algorithm, result = trained
    algorithm.save_to_path(tmp_path)
    clone = Algorithm.from_checkpoint(str(tmp_path))
    assert same(weights(clone), weights(algorithm))
    assert actions(clone) == actions(algorithm)
    after = clone.train()
    assert (
        after["env_runners"][STEPS]
        == result["env_runners"][STEPS] + after["env_runners"]["num_env_steps_sampled"]
    )
    assert after["training_iteration"] == 2
    clone.stop()


def test_a_checkpoint_is_restored_into_a_fresh_algorithm(alg, trained, tmp_path):
    algorithm, result = trained
    algorithm.save_to_path(tmp_path)
    fresh = small(alg, seed=2).build_algo()
    assert not same(weights(fresh), weights(algorithm))
    fresh.restore_from_path(str(tmp_path))
    assert same(weights(fresh), weights(algorithm))
    assert actions(fresh) == actions(algorithm)
    assert fresh.train()["env_runners"][STEPS] > result["env_runners"][STEPS]
    fresh.stop()


def test_the_same_seed_has_the_same_first_results(alg, trained):
    if alg == "DQN":
        pytest.skip("RLlib's replay buffers draw from generators of their own, made with seed=None")
    _, first = trained
    again = small(alg).build_algo()
    result = again.train()
    assert episodes(result) == episodes(first)
    assert same(learned(result), learned(first))
    again.stop()
    other = small(alg, seed=7).build_algo()
    assert episodes(other.train()) != episodes(first)
    other.stop()


def episodes(result):
    return {
        name: result["env_runners"][name] for name in ("num_episodes", "episode_return_mean", STEPS)
    }


def learned(result):
    """What the learner reports, less what the clock has a part in."""
    metrics = result["learners"][DEFAULT_MODULE_ID].items()
    return {
        name: value
        for name, value in metrics
        if np.isscalar(value) and not np.isnan(value) and "throughput" not in name
    }


def test_evaluation_plays_the_policy(trained):
    algorithm, _ = trained
    evaluated = algorithm.evaluate()["env_runners"]
    assert evaluated["episode_return_mean"] > 0
    assert evaluated["num_episodes"] >= 2


def test_workers_train_and_end_with_stop(alg):
    algorithm = small(alg, workers=1).build_algo()
    processes = algorithm.env_runner_group.foreach_env_runner(
        lambda _: os.getpid(), local_env_runner=False
    )
    before = weights(algorithm)
    assert algorithm.train()["env_runners"][STEPS] > 0
    assert not same(before, weights(algorithm))
    algorithm.stop()
    assert len(processes) == 1
    wait_until(lambda: not any(alive(process) for process in processes))


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a3c_goes_on_without_a_worker_that_dies_and_not_without_any():
    algorithm = small("A3C", workers=2).build_algo()
    behind = algorithm.train()["learners"][DEFAULT_MODULE_ID][
        "diff_num_grad_updates_vs_sampler_policy"
    ]
    assert behind > 0  # the other worker's gradients came in between: no barrier
    kill(algorithm, 1)
    played = [algorithm.train()["env_runners"][STEPS] for _ in range(2)]
    assert played[0] < played[1]
    assert algorithm.env_runner_group.healthy_env_runner_ids() == [2]
    kill(algorithm, 2)
    with pytest.raises(RuntimeError, match="none of the 2 env runners is left"):
        algorithm.train()
    algorithm.stop()


@pytest.mark.parametrize("steps", [20, 200])
def test_a3cs_workers_share_what_their_filters_have_seen(steps):
    config = small("A3C", workers=2).reporting(min_sample_timesteps_per_iteration=steps)
    algorithm = config.env_runners(env_to_module_connector=mean_std_filter).build_algo()
    seen, played = [], []
    for _ in range(6):
        played.append(algorithm.train()["env_runners"][STEPS])
        (found,) = algorithm.env_runner._env_to_module[MergedMeanStdFilter]
        seen.append(tree.flatten(found._filters[None].running_stats)[0].n)
    # The first observation of each episode counts, too
    assert seen[0] < seen[-1] <= 1.2 * played[-1]
    algorithm.stop()


def test_es_plays_a_dead_workers_episodes_with_the_others():
    algorithm = small("ES", workers=2).build_algo()
    kill(algorithm, 1)
    assert algorithm.train()["env_runners"]["num_episodes"] == 6
    algorithm.stop()


def test_a3c_waits_for_its_only_worker_where_ray_restarts_it():
    algorithm = small("A3C", workers=1).build_algo()
    before = algorithm.train()["env_runners"][STEPS]
    kill(algorithm, 1, no_restart=False)
    assert algorithm.train()["env_runners"][STEPS] > before
    algorithm.stop()


def kill(algorithm, worker, *, no_restart=True):
    ray.kill(algorithm.env_runner_group._worker_manager._actors[worker], no_restart=no_restart)


def test_es_plays_until_there_are_enough_steps():
    config = small("ES").training(episodes_per_batch=2, train_batch_size_per_learner=150)
    algorithm = config.build_algo()
    played = algorithm.train()["env_runners"]
    assert played[STEPS] >= 150
    assert played["num_episodes"] > 2
    algorithm.stop()


class Images(gymnasium.Env):
    """Small images, in episodes of 10 steps; the reward is the action."""

    observation_space = gymnasium.spaces.Box(0, 1, (16, 16, 2), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    left = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 10
        return self.image(), {}

    def step(self, action):
        self.left -= 1
        return self.image(), float(action), self.left == 0, False, {}

    def image(self):
        return self.np_random.random((16, 16, 2), dtype=np.float32)


gymnasium.register("Images-v0", Images)
MODELS = {
    "LSTM": {"use_lstm": True, "lstm_cell_size": 8, "max_seq_len": 5},
    "LSTM, shared": {
        "use_lstm": True,
        "lstm_cell_size": 8,
        "max_seq_len": 30,
        "vf_share_layers": True,
    },
    "CNN": {"env": "Images-v0", "conv_filters": [[4, 4, 2], [8, 4, 2]], "head_fcnet_hiddens": [8]},
    "CNN and LSTM": {
        "env": "Images-v0",
        "conv_filters": [[4, 4, 2]],
        "use_lstm": True,
        "lstm_cell_size": 8,
        "max_seq_len": 20,
    },
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("actor_critic", ["A3C", "A2C"])
def test_networks_with_memory_and_for_images_are_trained_whole(actor_critic, model):
    algorithm = small(actor_critic, **MODELS[model]).build_algo()
    module = algorithm.learner_group._learner.module[DEFAULT_MODULE_ID]
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    algorithm.train()
    assert [
        name
        for name, parameter in module.named_parameters()
        if torch.equal(before[name], parameter)
    ] == []
    algorithm.stop()


@pytest.mark.parametrize("lambda_", [1.0, 0.7])
def test_a3c_computes_the_gradient_of_the_papers_loss(lambda_):
    config = small("A3C").training(
        lambda_=lambda_, gamma=0.9, vf_loss_coeff=0.3, entropy_coeff=0.02, grad_clip=None
    )
    algorithm = config.build_algo()
    worker = algorithm.env_runner
    played = []
    sample = worker.sample
    worker.sample = lambda: played.extend(sample()) or played
    gradients = worker.sample_gradients(algorithm._state()).by_parameter
    module = worker.module
    module.zero_grad()
    losses = torch.cat([step_losses(module, episode, lambda_) for episode in played])
    losses.mean().backward()
    assert len(losses) == 20
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(
            gradients[name], parameter.grad, rtol=1e-3, atol=1e-5, err_msg=name
        )
    algorithm.stop()


def step_losses(module, episode, lambda_, gamma=0.9):
    """−log π·A − 0.02·H + 0.3·(R − V)², a number a step, from the definitions."""
    batch = {Columns.OBS: torch.tensor(episode.get_observations())}
    out = module.forward_train(batch)
    values = module.compute_values(batch, embeddings=out.get(Columns.EMBEDDINGS))
    fixed = values.detach().numpy() * np.append(np.ones(len(episode)), not episode.is_terminated)
    advantage, advantages = 0.0, []
    for step in reversed(range(len(episode))):
        surprise = episode.get_rewards(step) + gamma * fixed[step + 1] - fixed[step]
        advantage = surprise + gamma * lambda_ * advantage
        advantages.insert(0, advantage)
    advantages = torch.tensor(advantages, dtype=torch.float32)
    logits = out[Columns.ACTION_DIST_INPUTS][:-1]
    policy = torch.distributions.Categorical(logits=logits)
    errors = advantages + values[:-1].detach() - values[:-1]
    chosen = policy.log_prob(torch.tensor(episode.get_actions()))
    return -chosen * advantages - 0.02 * policy.entropy() + 0.3 * errors**2


def test_es_ranks_equal_returns_alike():
    ranks = centred_ranks(np.array([[7.0, -3.0], [7.0, 99.0]]))
    np.testing.assert_allclose(ranks, [[0.0, -0.5], [0.0, 0.5]])


def test_es_estimates_the_direction_in_which_returns_rise():
    slope = np.random.default_rng(3).standard_normal(50)
    scores = [(seed, float(slope @ noise(seed, 50))) for seed in range(500)]
    gradient = estimated_gradient([Pair(seed, (score, -score), 1) for seed, score in scores], 50)
    assert gradient @ slope / np.linalg.norm(gradient) / np.linalg.norm(slope) > 0.9


def test_es_seeds_are_drawn_anew_for_each_step_and_again_after_a_restore():
    algorithm = small("ES").build_algo()
    first, again = (next(algorithm._seeds()) for _ in range(2))
    algorithm.train()
    assert first == again != next(algorithm._seeds())
    algorithm.stop()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            A3CConfig().training(entropy_coeff=-0.01),
            "`entropy_coeff` must be at least 0, got -0.01",
        ),
        (A2CConfig().training(lambda_=1.5), r"`lambda_` must lie in \[0, 1\], got 1.5"),
        (A3CConfig().learners(num_learners=2), "`num_learners` must be 0, got 2"),
        (
            A2CConfig().training(num_epochs=3),
            "expected num_epochs=1, minibatch_size=None, got num_epochs=3",
        ),
        (ESConfig().training(noise_stdev=0.0), "`noise_stdev` must be more than 0, got 0.0"),
        (
            ESConfig().env_runners(num_envs_per_env_runner=8),
            "`num_envs_per_env_runner` must be 1 for ES, got 8",
        ),
    ],
)
def test_settings_out_of_range_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        config.environment("CartPole-v1").validate()


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s"
        time.sleep(0.1)
