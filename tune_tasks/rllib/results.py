"""RLlib's result dicts as TrainingResults. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from tune_tasks.result import TrainingResult

EPISODES = "tune_tasks_episodes"
"""The key under `env_runners` that has the return and length of every episode that ended."""

_RECENT_EPISODES = 100
_NO_STATISTICS = ("num_trainable_parameters", "num_non_trainable_parameters")
"""RLlib 2.60 reports NaN for these from the second iteration on."""

_EVALUATION = {
    "episode_return_mean": "episode_reward_mean",
    "episode_return_min": "episode_reward_min",
    "episode_return_max": "episode_reward_max",
    "episode_len_mean": "episode_len_mean",
}
_ONLY_MODULE = "default_policy"
_ALL_MODULES = "__all_modules__"


@dataclass
class RecentEpisodes:
    """The last 100 episodes, as the RLlib of 2017 kept them: one lucky episode stops nothing.

    Attributes:
        recent: The return and the length, in steps, of each.
        total: Episodes since the trial began.
    """

    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RECENT_EPISODES))
    total: int = 0

    def add(self, ended: Iterable[Any]) -> None:
        """Add episodes that have just ended, each a return and a length."""
        for episode_return, length in ended:
            self.recent.append((float(episode_return), int(length)))
            self.total += 1

    def fields(self) -> dict[str, Any]:
        """The fields of TrainingResult about episodes; no means before the first has ended."""
        if not self.recent:
            return {"episodes_total": self.total}
        returns, lengths = zip(*self.recent, strict=True)
        return {
            "episodes_total": self.total,
            "episode_reward_mean": fmean(returns),
            "episode_len_mean": fmean(lengths),
            "info": {"episode_reward_min": min(returns), "episode_reward_max": max(returns)},
        }


def training_result(
    result: Mapping[str, Any],
    episodes: RecentEpisodes,
    *,
    on_data: bool = False,
    evaluated: bool = True,
) -> TrainingResult:
    """The report of one `Algorithm.train()`.

    Args:
        result: What `train()` returned.
        episodes: The trial's; those of the result are added.
        on_data: Whether the algorithm learns from recorded data: its episodes are those of its
            evaluation, and its timesteps the recorded ones that it has trained on.
        evaluated: Whether the result's evaluation is new; RLlib repeats an evaluation until the
            next.

    Returns:
        With `timesteps_total` the environment steps since the trial began, and the learner's
        statistics in `info` as `learner/<name>`.
    """
    evaluation = result.get("evaluation", {}).get("env_runners", {})
    played = evaluation if on_data else result.get("env_runners", {})
    if evaluated or not on_data:
        episodes.add(_ended(played.get(EPISODES)))
    fields: dict[str, Any] = {}
    if episodes.total or not on_data:
        fields = episodes.fields()
    info = {**fields.pop("info", {}), "learner": _statistics(result.get("learners", {}))}
    if evaluation:
        info["evaluation"] = _evaluation(evaluation)
    return TrainingResult(timesteps_total=_timesteps(result, on_data), info=info, **fields)


def _timesteps(result: Mapping[str, Any], on_data: bool) -> int:
    if not on_data:
        return int(result["num_env_steps_sampled_lifetime"])
    all_modules = result.get("learners", {}).get(_ALL_MODULES, {})
    return int(all_modules.get("num_env_steps_trained_lifetime", 0))


def _evaluation(played: Mapping[str, Any]) -> dict[str, float]:
    """What RLlib's evaluation has measured, in our names; empty if no episode has ended in it."""
    means = {ours: float(played.get(theirs, math.nan)) for theirs, ours in _EVALUATION.items()}
    return {name: value for name, value in means.items() if math.isfinite(value)}


def _ended(series: Any) -> Iterable[Any]:
    """The items of a series; RLlib gives a single one without its list, and NaN for none."""
    if isinstance(series, tuple):
        return [series]
    return series if isinstance(series, list) else []


def _statistics(learners: Mapping[str, Any]) -> dict[str, Any]:
    """Plain numbers; those of an only module without its name before them."""
    plain = {name: _plain(values) for name, values in learners.items() if name != _ALL_MODULES}
    if set(plain) == {_ONLY_MODULE}:
        only: dict[str, Any] = plain[_ONLY_MODULE]
        return only
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if name not in _NO_STATISTICS}
    return value.item() if hasattr(value, "item") else value
