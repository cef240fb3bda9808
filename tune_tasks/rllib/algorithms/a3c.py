"""A3C, which RLlib had until 2.10: workers compute gradients, and each is applied as it comes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.utils.debug import update_global_seed_if_necessary
from ray.rllib.utils.metrics import (
    DIFF_NUM_GRAD_UPDATES_VS_SAMPLER_POLICY,
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    SAMPLE_TIMER,
    TIMERS,
)

from tune_tasks.rllib.algorithms.actor_critic import ActorCriticConfig, ActorCriticLearner
from tune_tasks.rllib.algorithms.workers import living, weights

_ORDER = "gradients"


class A3CConfig(ActorCriticConfig):
    """Asynchronous advantage actor-critic.

    See Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning".

    Each env runner has its own copy of the networks. It plays `rollout_fragment_length` steps,
    computes one gradient from them alone, and sends it. The driver applies each gradient as it
    comes to the shared networks, with one shared optimiser, and sends that worker alone the new
    weights with its next order. Nothing waits for all workers. Gradients are therefore computed
    with weights that others have changed meanwhile; by how many gradients is the metric
    `learners/default_policy/diff_num_grad_updates_vs_sampler_policy`.

    | paper | setting |
    |---|---|
    | actor-learner threads | `num_env_runners`: processes here; 0 is one worker inside the trial |
    | t_max | `rollout_fragment_length` |
    | T_max | the stop criterion |
    | γ | `gamma` |
    | β | `entropy_coeff` |
    | η, with shared RMSProp, α = 0.99 | `lr`, a number or a schedule over environment steps |
    | θ, θ_v | `rl_module(model_config=…)`, with `vf_share_layers` |

    With `num_envs_per_env_runner` n, a gradient is from n rollouts of t_max steps. The networks are
    fully connected or convolutional, with or without `use_lstm`.

    Beyond the paper: `use_gae` with `lambda_`, `grad_clip`. A rollout goes on over an episode's end
    into the next episode, and each piece has returns of its own. The loss is a mean over the
    rollout's steps; the paper has the sum.

    A worker that dies is left out. If RLlib may restart it (`restart_failed_env_runners`), it is
    taken in again.

    Not claimed: lock-free updates of memory that threads share (gradients travel through Ray, and
    one process applies them); the paper's figures; several agents, or learners of their own
    (`num_learners` must be 0).
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or A3C)
        self.lr = 7e-4
        self.rollout_fragment_length = 20
        self.grad_clip = 40.0
        self.num_env_runners = 2
        self.env_runner_cls = A3CEnvRunner
        self.min_sample_timesteps_per_iteration = 2_000
        # Not RLlib's 30 s, for which all workers would wait while one restarts.
        self.env_runner_health_probe_timeout_s = 0.05
        # private: _dont_auto_sync_env_runner_states, because RLlib's own way to get the connectors'
        # states waits for all workers; ours come with each gradient.
        self._dont_auto_sync_env_runner_states = True

    def get_default_learner_class(self) -> type[Learner]:
        """The class of the learner, which applies gradients."""
        return A3CLearner

    def validate(self) -> None:
        """Check the settings, each and together.

        Raises:
            ValueError: If there are to be several learners, or an env runner that does not compute
                gradients.
        """
        super().validate()
        if self.num_learners:
            self._value_error(
                "A3C applies gradients in one place: `num_learners` must be 0, got"
                f" {self.num_learners}"
            )
        runner = self.env_runner_cls
        if not (isinstance(runner, type) and issubclass(runner, A3CEnvRunner)):
            self._value_error(f"`env_runner_cls` must be an A3CEnvRunner, got {runner!r}")


@dataclass(frozen=True)
class Gradients:
    """The message of a worker.

    Attributes:
        by_parameter: The gradient of each parameter of the module, by its name.
        weights_seq_no: The number of the weights that they are for, counted in gradients applied.
        env_runner_metrics: RLlib's, of the steps played.
        learner_metrics: RLlib's, of the loss.
        connectors: The state of the worker's connectors, e.g. what an observation filter has seen.
    """

    by_parameter: dict[str, NDArray[np.float32]]
    weights_seq_no: int
    env_runner_metrics: Any
    learner_metrics: Any
    connectors: dict[str, Any]


class A3CLearner(ActorCriticLearner):
    """The shared networks and their optimiser, in the trial's process."""

    def configure_optimizers_for_module(
        self, module_id: str, config: AlgorithmConfig | None = None
    ) -> None:
        """RMSProp, whose moving average of squared gradients all workers share."""
        assert config is not None
        params = self.get_parameters(self.module[module_id])
        optimizer = torch.optim.RMSprop(params, alpha=0.99, eps=1e-5)
        self.register_optimizer(
            module_id=module_id, optimizer=optimizer, params=params, lr_or_lr_schedule=config.lr
        )

    def apply(self, gradients: Gradients, *, timesteps: int) -> None:
        """One step of the optimiser along a worker's gradients."""
        named = dict(self.module[DEFAULT_MODULE_ID].named_parameters())
        arrays = gradients.by_parameter.items()
        self.apply_gradients(
            {named[name]: torch.tensor(array, device=self.device) for name, array in arrays}
        )
        # private: _weights_seq_no, which a learner counts and does not give out.
        behind = self._weights_seq_no - gradients.weights_seq_no
        self.metrics.log_value(
            (DEFAULT_MODULE_ID, DIFF_NUM_GRAD_UPDATES_VS_SAMPLER_POLICY), behind, window=100
        )
        self._weights_seq_no += 1
        self.after_gradient_based_update(timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: timesteps})


class WorkerLearner(ActorCriticLearner):
    """A worker's copy of the networks: an update keeps the gradients, and does not apply them."""

    gradients: dict[str, NDArray[np.float32]]

    def apply_gradients(self, gradients_dict: dict[torch.nn.Parameter, torch.Tensor]) -> None:
        """Keep the gradients of the parameters that the loss depends on."""
        parameters = self.module[DEFAULT_MODULE_ID].named_parameters()
        names = {parameter: name for name, parameter in parameters}
        self.gradients = {
            names[parameter]: gradient.cpu().numpy()
            for parameter, gradient in gradients_dict.items()
            if gradient is not None
        }

    # private: _compute_off_policyness, overridden because it would log an age of the weights that
    # only the learner that applies the gradients knows.
    def _compute_off_policyness(self, batch: dict[str, Any]) -> None:
        """Do nothing."""


class A3CEnvRunner(SingleAgentEnvRunner):
    """A worker: an env runner that plays with the module of a learner of its own.

    It runs in an actor, or in the trial's process.
    """

    def make_module(self) -> None:
        """Make the learner, and take its module for playing."""
        env = self.env.unwrapped if self.env is not None else None
        spec = self.config.get_rl_module_spec(
            env=env, spaces=self.get_spaces(), inference_only=False
        )
        gpus = self.config.num_gpus_per_env_runner if self.worker_index else 0
        config = self.config.copy(copy_frozen=False).learners(num_gpus_per_learner=gpus)
        self.learner = WorkerLearner(config=config, module_spec=spec.as_multi_rl_module_spec())
        self.learner.build()
        self.module = self.learner.module[DEFAULT_MODULE_ID]
        # private: _seed. Building a learner seeds every worker with the same seed, so all would
        # explore alike; this seeds with the worker's own.
        update_global_seed_if_necessary(self.config.framework_str, self._seed)

    def sample_gradients(self, state: dict[str, Any]) -> Gradients:
        """Play one rollout with these weights, and compute its gradient."""
        self.set_state(state)
        # Copies, because the learner's connectors lengthen and rename the episodes, whose length
        # the env runner still counts.
        episodes = copy.deepcopy(self.sample())
        timesteps = {NUM_ENV_STEPS_SAMPLED_LIFETIME: self.num_env_steps_sampled_lifetime}
        learner_metrics = self.learner.update(episodes=episodes, timesteps=timesteps)
        return Gradients(
            by_parameter=self.learner.gradients,
            weights_seq_no=self._weights_seq_no,
            env_runner_metrics=self.get_metrics(),
            learner_metrics=learner_metrics,
            connectors=self.get_state(not_components=COMPONENT_RL_MODULE),
        )


class A3C(Algorithm):
    """The driver of A3C, in the trial's process: it orders gradients and applies them.

    See `A3CConfig`.
    """

    def setup(self, config: AlgorithmConfig) -> None:
        """Start the workers."""
        self._connectors: dict[int, dict[str, Any]] = {}
        self._outdated: set[int] = set()
        super().setup(config)

    @classmethod
    def get_default_config(cls) -> A3CConfig:
        """The settings, at their defaults."""
        return A3CConfig()

    def training_step(self) -> None:
        """Wait for a gradient, apply all that have come, and order the next of those workers alone.

        Raises:
            RuntimeError: If no worker is left.
        """
        group = self.env_runner_group
        if not group.num_remote_env_runners():
            self._apply(0, self.env_runner.sample_gradients(self._state()))
            return
        workers = living(group)
        if group.num_in_flight_async_reqs(_ORDER) < len(workers):
            self._order(workers)
        with self.metrics.log_time((TIMERS, SAMPLE_TIMER)):
            arrived = self._arrived()
        for worker, gradients in arrived:
            self._apply(worker, gradients)
            self._order([worker])

    def step(self) -> dict[str, Any]:
        """Train for one iteration.

        Afterwards the trial's own env runner has the new weights, and every env runner's filters
        know what all filters have seen.
        """
        result: dict[str, Any] = super().step()
        self.env_runner_group.sync_env_runner_states(
            config=self.config,
            connector_states=list(self._connectors.values()),
            env_to_module=self.env_to_module_connector,
            module_to_env=self.module_to_env_connector,
        )
        if self._connectors:
            self._connectors.clear()
            self._outdated = set(self.env_runner_group.healthy_env_runner_ids())
        if self.env_runner:
            self.env_runner.set_state(self._state())
        return result

    def _arrived(self) -> list[tuple[int, Gradients]]:
        # private: _worker_manager._filter_calls_by_tag, because RLlib's own call waits for all
        # workers or polls; here the first one is enough.
        calls, _, _ = self.env_runner_group._worker_manager._filter_calls_by_tag(_ORDER)
        ray.wait(calls, num_returns=1)
        arrived: list[tuple[int, Gradients]] = self.env_runner_group.fetch_ready_async_reqs(
            tags=_ORDER
        )
        return arrived

    def _order(self, workers: list[int]) -> None:
        """Give an order, with the present weights, to each of these workers that has none."""
        self.env_runner_group.foreach_env_runner_async(
            "sample_gradients",
            tag=_ORDER,
            kwargs={"state": self._state()},
            remote_worker_ids=workers,
        )

    def _apply(self, worker: int, gradients: Gradients) -> None:
        # The order was given before the filters were merged, which then knew what they say here.
        if worker in self._outdated:
            self._outdated.remove(worker)
        else:
            self._connectors[worker] = gradients.connectors
        self.metrics.aggregate([gradients.env_runner_metrics], key=ENV_RUNNER_RESULTS)
        self.metrics.aggregate([gradients.learner_metrics], key=LEARNER_RESULTS)
        self._learner.apply(gradients, timesteps=self._timesteps())
        self.metrics.aggregate([self._learner.metrics.reduce()], key=LEARNER_RESULTS)

    def _state(self) -> dict[str, Any]:
        return {**weights(self._learner), NUM_ENV_STEPS_SAMPLED_LIFETIME: self._timesteps()}

    def _timesteps(self) -> int:
        return int(
            self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), default=0)
        )

    @property
    def _learner(self) -> A3CLearner:
        # private: _learner, because LearnerGroup gives its local learner in no other way.
        learner: A3CLearner = self.learner_group._learner
        return learner
