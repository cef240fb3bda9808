"""Evolution strategies, which RLlib had until 2.10.

Parameters are perturbed at random, and moved towards the perturbations that scored well.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.algorithms.bc.torch.default_bc_torch_rl_module import DefaultBCTorchRLModule
from ray.rllib.core import ALL_MODULES, DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner import Learner
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_ENV_STEPS_TRAINED_LIFETIME,
    TIMERS,
)
from scipy.stats import rankdata
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from tune_tasks.rllib.algorithms.given import set_given
from tune_tasks.rllib.algorithms.workers import living, weights


class ESConfig(AlgorithmConfig):
    """Evolution strategies.

    See Salimans et al. 2017, "Evolution Strategies as a Scalable Alternative to Reinforcement
    Learning".

    In each iteration the env runners play one whole episode with θ + σε and one with θ − σε, for
    each of many random ε (mirrored sampling). Returns are replaced by their ranks, from −0.5 to
    0.5, and equal returns by their mean rank; θ moves along the ε, weighted by these. An ε never
    travels: a worker gets a seed, and the driver draws the same ε from it again. The policy acts as
    with `explore=False`: it takes the likeliest action, or the mean.

    | paper | setting |
    |---|---|
    | α, with Adam | `lr`, a number or a schedule over environment steps |
    | σ | `noise_stdev` |
    | n | `episodes_per_batch`, both signs counted |
    | workers | `num_env_runners`: processes; 0 is one worker inside the trial |
    | weight decay | `l2_coeff` |
    | θ | all parameters of the module: `rl_module(model_config=…)` |

    A batch also has at least `train_batch_size_per_learner` steps. As in the authors' code, the
    estimated gradient lacks the factor 1/σ, which Adam would cancel.

    `env_runners/episode_return_mean` is that of the perturbed policies, which is what is maximised.
    RLlib's evaluation (`evaluation_interval`) plays θ itself. Observation filters work as for every
    algorithm of RLlib, as connectors. A worker that dies is left out, and the others play its
    episodes.

    Not claimed: the paper's figures; virtual batch normalisation, action noise, novelty search;
    several agents; several environments a worker (`num_envs_per_env_runner` must be 1, because each
    episode has a policy of its own).
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or ES)
        self.lr = 0.1
        self.noise_stdev = 0.05
        self.l2_coeff = 0.005
        self.episodes_per_batch = 20
        self.train_batch_size = 1
        self.explore = False
        self.env_runner_cls = ESEnvRunner

    def training(
        self,
        *,
        noise_stdev: float = NotProvided,
        l2_coeff: float = NotProvided,
        episodes_per_batch: int = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Set how the policy is moved.

        Args:
            noise_stdev: σ, the standard deviation of the perturbation of each parameter; more than
                0.
            l2_coeff: Weight decay, the part of θ that is taken from the gradient; at least 0.
            episodes_per_batch: Episodes for one step, at least 2; an odd number is rounded up.
            **kwargs: What every algorithm of RLlib has. `train_batch_size_per_learner` is the least
                number of environment steps for one step; `grad_clip` bounds the estimated gradient.
        """
        super().training(**kwargs)
        set_given(
            self,
            noise_stdev=noise_stdev,
            l2_coeff=l2_coeff,
            episodes_per_batch=episodes_per_batch,
        )
        return self

    def validate(self) -> None:
        """Check the settings, each and together.

        Raises:
            ValueError: If one is out of its range.
        """
        super().validate()
        self._expect(self.noise_stdev > 0, "noise_stdev", "more than 0")
        self._expect(self.l2_coeff >= 0, "l2_coeff", "at least 0")
        self._expect(self.episodes_per_batch >= 2, "episodes_per_batch", "at least 2")
        self._expect(not self.num_learners, "num_learners", "0 for ES")
        self._expect(self.num_envs_per_env_runner == 1, "num_envs_per_env_runner", "1 for ES")
        if self.is_multi_agent:
            self._value_error("ES trains one agent; PPO trains several")

    def _expect(self, is_right: bool, name: str, what: str) -> None:
        if not is_right:
            self._value_error(f"`{name}` must be {what}, got {getattr(self, name)!r}")

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """A policy without a value function: fully connected, convolutional or with an LSTM."""
        return RLModuleSpec(module_class=DefaultBCTorchRLModule)

    def get_default_learner_class(self) -> type[Learner]:
        """The class of the learner, which moves θ."""
        return ESLearner


@dataclass(frozen=True)
class Pair:
    """The scores of the two policies of one perturbation.

    Attributes:
        seed: The seed that ε is drawn from.
        returns: Of the episode with θ + σε, and of that with θ − σε.
        steps: The length of both episodes together.
    """

    seed: int
    returns: tuple[float, float]
    steps: int


def noise(seed: int, size: int) -> NDArray[np.float32]:
    """ε for `size` parameters: standard normal, the same in every process."""
    return np.random.default_rng(seed).standard_normal(size, dtype=np.float32)


def centred_ranks(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from −0.5 (worst) to 0.5 (best), in the same shape; equal returns rank equally."""
    ranks: NDArray[np.float64] = rankdata(returns, method="average").reshape(returns.shape)
    return (ranks - 1) / (returns.size - 1) - 0.5


def estimated_gradient(pairs: Sequence[Pair], size: int) -> NDArray[np.float32]:
    """The direction, over all parameters, in which the returns of these pairs rise."""
    ranks = centred_ranks(np.array([pair.returns for pair in pairs]))
    gradient = np.zeros(size, dtype=np.float32)
    for pair, weight in zip(pairs, ranks[:, 0] - ranks[:, 1], strict=True):
        gradient += np.float32(weight) * noise(pair.seed, size)
    return gradient / np.float32(ranks.size)


class ESLearner(TorchLearner):
    """θ and its optimiser, Adam, in the trial's process.

    The loss is −g·θ + l2/2·‖θ‖², because Adam is to descend its gradient.
    """

    def step(self, pairs: Sequence[Pair], *, timesteps: int) -> Any:
        """Move θ once; returns RLlib's metrics of it."""
        size = sum(parameter.numel() for parameter in self.module[DEFAULT_MODULE_ID].parameters())
        gradient = torch.from_numpy(estimated_gradient(pairs, size)).to(self.device)
        losses = self.compute_losses(
            fwd_out={DEFAULT_MODULE_ID: {}}, batch={DEFAULT_MODULE_ID: {"gradient": gradient}}
        )
        self.apply_gradients(self.postprocess_gradients(self.compute_gradients(losses)))
        # private: _weights_seq_no, which RLlib's own update counts; this one does not go by it.
        self._weights_seq_no += 1
        self.after_gradient_based_update(timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: timesteps})
        steps = sum(pair.steps for pair in pairs)
        self.metrics.log_value(
            (ALL_MODULES, NUM_ENV_STEPS_TRAINED_LIFETIME), steps, reduce="lifetime_sum"
        )
        return self.metrics.reduce()

    def compute_loss_for_module(
        self, *, module_id: str, config: ESConfig, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """The loss for an estimated gradient, `batch["gradient"]`, over all parameters in order."""
        theta = parameters_to_vector(self.module[module_id].parameters())
        norms = {"gradient_norm": batch["gradient"].norm(), "weights_norm": theta.detach().norm()}
        self.metrics.log_dict(norms, key=module_id, window=1)
        loss: torch.Tensor = config.l2_coeff / 2 * theta.square().sum() - batch["gradient"] @ theta
        return loss

    @property
    def updates(self) -> int:
        """The number of times that θ was moved, also before a checkpoint was restored."""
        return int(self._weights_seq_no)


class ESEnvRunner(SingleAgentEnvRunner):
    """A worker that plays with perturbed policies. Runs in an actor, or in the trial's process."""

    def play(self, state: dict[str, Any], seeds: Sequence[int]) -> tuple[list[Pair], Any]:
        """Score a pair for each seed, around the θ of this state.

        Returns:
            The pairs, and RLlib's metrics.
        """
        self.set_state(state)
        theta = parameters_to_vector(self.module.parameters()).detach()
        pairs = [self._pair(theta, seed) for seed in seeds]
        vector_to_parameters(theta, self.module.parameters())
        return pairs, self.get_metrics()

    def _pair(self, theta: torch.Tensor, seed: int) -> Pair:
        epsilon = torch.from_numpy(noise(seed, theta.numel())).to(theta.device)
        offset = self.config.noise_stdev * epsilon
        plus_return, plus_steps = self._episode(theta + offset)
        minus_return, minus_steps = self._episode(theta - offset)
        return Pair(seed, (plus_return, minus_return), plus_steps + minus_steps)

    def _episode(self, parameters: torch.Tensor) -> tuple[float, int]:
        vector_to_parameters(parameters, self.module.parameters())
        (episode,) = self.sample(num_episodes=1)
        # private: _needs_initial_reset, because RLlib would seed every episode's environment alike.
        self._needs_initial_reset = False
        return float(episode.get_return()), len(episode)


class ES(Algorithm):
    """The driver of ES, in the trial's process: it hands out seeds, gathers scores and moves θ.

    See `ESConfig`.
    """

    @classmethod
    def get_default_config(cls) -> ESConfig:
        """The settings, at their defaults."""
        return ESConfig()

    def training_step(self) -> None:
        """Play a batch of episodes, and move θ once."""
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            pairs = self._played()
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            timesteps = int(self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)))
            learned = self._learner.step(pairs, timesteps=timesteps)
            self.metrics.aggregate([learned], key=LEARNER_RESULTS)
        if self.env_runner:
            self.env_runner.set_state(weights(self._learner))

    def _played(self) -> list[Pair]:
        """Enough pairs for a batch; the same pairs for the same settings and seed."""
        seeds = self._seeds()
        state = weights(self._learner)
        pairs: list[Pair] = []
        while missing := self._missing(pairs):
            ordered = list(itertools.islice(seeds, missing))
            for played, metrics in self._play(state, ordered):
                pairs += played
                self.metrics.aggregate([metrics], key=ENV_RUNNER_RESULTS)
        return sorted(pairs, key=lambda pair: pair.seed)

    def _missing(self, pairs: Sequence[Pair]) -> int:
        """The number of pairs to order at once; 0 if there are enough."""
        wanted = math.ceil(int(self.config.episodes_per_batch) / 2)
        if len(pairs) < wanted:
            return wanted - len(pairs)
        steps = sum(pair.steps for pair in pairs)
        if steps >= self.config.total_train_batch_size:
            return 0
        return max(1, int(self.env_runner_group.num_healthy_remote_env_runners()))

    def _play(
        self, state: dict[str, Any], seeds: Sequence[int]
    ) -> Iterable[tuple[list[Pair], Any]]:
        """Have these seeds played by all workers, as many by each.

        The seeds of a worker that dies are missing in the answer.

        Raises:
            RuntimeError: If no worker is left.
        """
        group = self.env_runner_group
        if not group.num_remote_env_runners():
            return [self.env_runner.play(state, seeds)]
        workers = living(group)[: len(seeds)]
        shared = ray.put(state)
        orders = [{"state": shared, "seeds": seeds[i :: len(workers)]} for i in range(len(workers))]
        played: Iterable[tuple[list[Pair], Any]] = group.foreach_env_runner(
            "play", kwargs=orders, remote_worker_ids=workers, local_env_runner=False
        )
        return played

    def _seeds(self) -> Iterator[int]:
        seed = self.config.seed
        rng = np.random.default_rng(None if seed is None else [seed, self._learner.updates])
        while True:
            yield int(rng.integers(2**63))

    @property
    def _learner(self) -> ESLearner:
        # private: _learner, because LearnerGroup gives its local learner in no other way.
        learner: ESLearner = self.learner_group._learner
        return learner
