"""A2C, which RLlib had until 2.10: A3C's loss on one batch from all workers at once."""

from __future__ import annotations

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.core.learner.learner import Learner

from tune_tasks.rllib.algorithms.actor_critic import ActorCriticConfig, ActorCriticLearner


class A2CConfig(ActorCriticConfig):
    """Advantage actor-critic, the synchronous variant of A3C.

    It is as OpenAI Baselines described it in 2017, after Mnih et al. 2016. All env runners play
    with the same weights. As soon as there are `train_batch_size_per_learner` steps, one gradient
    is taken from all of them. In RLlib's terms: PPO with one epoch over the full batch and the
    plain actor-critic loss.

    | paper | setting |
    |---|---|
    | t_max × workers | `train_batch_size_per_learner`, in environment steps |
    | γ | `gamma` |
    | β | `entropy_coeff` |
    | η, with Adam | `lr`, a number or a schedule over environment steps |
    | θ, θ_v | `rl_module(model_config=…)`, with `vf_share_layers` |

    The networks are fully connected or convolutional, with or without `use_lstm`.

    Beyond the paper: `use_gae` with `lambda_`, `grad_clip`, Adam in place of RMSProp.

    Not claimed: the figures of Baselines; several agents. There are no minibatches and no second
    epoch, because the steps of both would have been played by other weights than those that the
    gradient is for; that is what PPO's clipping is for.
    """

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or A2C)
        self.lr = 3e-3
        self.train_batch_size = 256
        self.rollout_fragment_length = "auto"
        self.grad_clip = 40.0
        self.min_sample_timesteps_per_iteration = 2_000

    def get_default_learner_class(self) -> type[Learner]:
        """The plain actor-critic loss, with Adam."""
        return ActorCriticLearner

    def validate(self) -> None:
        """Check the settings, each and together.

        Raises:
            ValueError: If a batch is to be used for more than one step.
        """
        super().validate()
        self.validate_train_batch_size_vs_rollout_fragment_length()
        if self.num_epochs != 1 or self.minibatch_size is not None:
            got = f"num_epochs={self.num_epochs}, minibatch_size={self.minibatch_size}"
            self._value_error(
                "A2C takes one step on each full batch: expected num_epochs=1,"
                f" minibatch_size=None, got {got}"
            )


class A2C(PPO):
    """PPO's data flow with A2C's loss. See `A2CConfig`."""

    @classmethod
    def get_default_config(cls) -> AlgorithmConfig:
        """The settings, at their defaults."""
        return A2CConfig()
