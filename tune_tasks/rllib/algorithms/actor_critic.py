"""The settings and the loss that A3C and A2C share."""

from __future__ import annotations

from typing import Any, Self

import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.connectors.learner import AddOneTsToEpisodesAndTruncate, GeneralAdvantageEstimation
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import ENTROPY_KEY, POLICY_LOSS_KEY, VF_LOSS_KEY
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.evaluation.postprocessing import Postprocessing

from tune_tasks.rllib.algorithms.given import set_given


class ActorCriticConfig(AlgorithmConfig):
    """Settings of A3C and A2C beside those of every algorithm (`lr`, `gamma`, `grad_clip`, …)."""

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.use_gae = True
        self.lambda_ = 1.0
        self.vf_loss_coeff = 0.5
        self.entropy_coeff = 0.01

    def training(
        self,
        *,
        use_gae: bool = NotProvided,
        lambda_: float = NotProvided,
        vf_loss_coeff: float = NotProvided,
        entropy_coeff: float = NotProvided,
        **kwargs: Any,
    ) -> Self:
        """Set how the networks are trained.

        Args:
            use_gae: Whether advantages are estimated with `lambda_`. If not, they are from the
                returns until the end of the episode or the rollout, as with `lambda_=1`.
            lambda_: λ of generalised advantage estimation (Schulman et al. 2016), in [0, 1].
            vf_loss_coeff: Weight of the value function's squared error, at least 0.
            entropy_coeff: β, the weight of the policy's entropy in what is maximised, at least 0.
            **kwargs: What every algorithm of RLlib has.
        """
        super().training(**kwargs)
        set_given(
            self,
            use_gae=use_gae,
            lambda_=lambda_,
            vf_loss_coeff=vf_loss_coeff,
            entropy_coeff=entropy_coeff,
        )
        return self

    def validate(self) -> None:
        """Check the settings, each and together.

        Raises:
            ValueError: If one is out of its range, or the environment has several agents.
        """
        super().validate()
        for name in ("vf_loss_coeff", "entropy_coeff"):
            if not getattr(self, name) >= 0:
                self._value_error(f"`{name}` must be at least 0, got {getattr(self, name)!r}")
        if not 0 <= self.lambda_ <= 1:
            self._value_error(f"`lambda_` must lie in [0, 1], got {self.lambda_!r}")
        if self.is_multi_agent:
            self._value_error(
                f"{self.algo_class.__name__} trains one agent; PPO and IMPALA train several"
            )

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """RLlib's networks for a policy and a value function.

        They are fully connected or convolutional, with or without an LSTM.
        """
        return RLModuleSpec(module_class=DefaultPPOTorchRLModule)

    # private: _model_config_auto_includes, by which RLlib's own algorithms set these defaults.
    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        return {**super()._model_config_auto_includes, "vf_share_layers": False}


class ActorCriticLearner(TorchLearner):
    """−log π(a|s)·A − β·H(π) + c·(R − V)², the mean over a batch's steps.

    RLlib's connector estimates the returns R. It standardises advantages of its own, which are not
    used: the advantages A = R − V are not standardised, and V are the values under the very weights
    that the gradient is for.
    """

    def build(self) -> None:
        """Make the module, and the connectors that estimate returns."""
        super().build()
        # private: _learner_connector, which RLlib's PPOLearner extends in the same way.
        has_connectors = self._learner_connector is not None
        if has_connectors and self.config.add_default_connectors_to_learner_pipeline:
            lambda_ = self.config.lambda_ if self.config.use_gae else 1.0
            self._learner_connector.prepend(AddOneTsToEpisodesAndTruncate())
            self._learner_connector.append(
                GeneralAdvantageEstimation(gamma=self.config.gamma, lambda_=lambda_)
            )

    @classmethod
    def rl_module_required_apis(cls) -> list[type]:
        """The interface that a module must have beside a policy's: values."""
        return [ValueFunctionAPI]

    def compute_loss_for_module(
        self,
        *,
        module_id: str,
        config: ActorCriticConfig,
        batch: dict[str, Any],
        fwd_out: dict[str, Any],
    ) -> torch.Tensor:
        """The loss of a batch, over the steps that are not padding."""
        module = self.module[module_id].unwrapped()
        policy = module.get_train_action_dist_cls().from_logits(fwd_out[Columns.ACTION_DIST_INPUTS])
        values = module.compute_values(batch, embeddings=fwd_out.get(Columns.EMBEDDINGS))
        errors = batch[Postprocessing.VALUE_TARGETS] - values
        mask = batch[Columns.LOSS_MASK]
        gains = policy.logp(batch[Columns.ACTIONS]) * errors.detach()
        policy_loss = -gains[mask].mean()
        entropy = policy.entropy()[mask].mean()
        vf_loss = errors[mask].square().mean()
        losses = {POLICY_LOSS_KEY: policy_loss, VF_LOSS_KEY: vf_loss, ENTROPY_KEY: entropy}
        self.metrics.log_dict(losses, key=module_id, window=1)
        loss: torch.Tensor = (
            policy_loss + config.vf_loss_coeff * vf_loss - config.entropy_coeff * entropy
        )
        return loss
