"""The settings that RLlib's config classes take on its new API stack. Pure.

A setting is a keyword of one of the methods through which RLlib wants its configs set, such as
`training(lr=…)`. Nothing is set in another way, because `update_from_dict` takes any key without a
word.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tune_tasks.rllib.config.hints import Schedule

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_METHODS = (
    "python_environment",
    "resources",
    "framework",
    "environment",
    "env_runners",
    "learners",
    "training",
    "evaluation",
    "offline_data",
    "callbacks",
    "reporting",
    "checkpointing",
    "debugging",
    "fault_tolerance",
    "rl_module",
)

# RLlib's DEPRECATED_VALUE: the default of a keyword that RLlib no longer has.
_DEPRECATED = -1

_HINTS: Mapping[str, Any] = {
    "grad_clip": float | None,
    "hiddens": list[int],
    "num_cpus_per_env_runner": float,
    "num_cpus_for_main_process": float,
    "entropy_coeff": Schedule,
    "input_": str | list[str],
    "input_read_schema": dict,
    "iter_batches_kwargs": dict,
    "target_network_update_freq": int,
}
"""The types of settings whose hint in RLlib is narrower than what RLlib takes."""


@dataclass(frozen=True)
class Setting:
    """A keyword of one of a config's methods."""

    name: str
    method: str
    hint: Any


def settings_of(config_class: type[AlgorithmConfig]) -> Mapping[str, Setting]:
    """Every setting of an algorithm, by name: those of its own class first."""
    key: Any = config_class  # mypy does not follow RLlib, and takes its class for not hashable
    return _settings_of(key)


@functools.cache
def _settings_of(config_class: type) -> Mapping[str, Setting]:
    found: dict[str, Setting] = {}
    for cls in config_class.__mro__:
        for method in _METHODS:
            if method in vars(cls):
                for setting in _keywords(method, vars(cls)[method]):
                    found.setdefault(setting.name, setting)
    return found


def _keywords(method: str, function: Callable[..., Any]) -> Iterator[Setting]:
    is_rllibs = function.__module__.startswith("ray.")
    for parameter in _signature(function).parameters.values():
        if _is_setting(parameter):
            hint = parameter.annotation
            if is_rllibs:
                hint = _HINTS.get(parameter.name, hint)
            yield Setting(parameter.name, method, hint)


def _is_setting(parameter: inspect.Parameter) -> bool:
    if parameter.name == "self" or parameter.name.startswith("_"):
        return False
    return parameter.kind is not parameter.VAR_KEYWORD and parameter.default is not _DEPRECATED


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # a hint may be imported for type checkers only
        return inspect.signature(function)
