"""The key `search` of an experiment: how the values of its domains are chosen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from tune_tasks.model.masking import short
from tune_tasks.spec.named_options import OptionError, hint, known_options, options_of

Algorithm = Literal["random", "qmc", "tpe", "gp", "cmaes", "nsga2", "auto", "own"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
OWN = "own"
"""A searcher that the caller of the library has written."""
MODELS = frozenset({"tpe", "gp", "cmaes", "nsga2", "auto", OWN})
"""Those that learn from results."""
_STARTUP = 16
_ELSEWHERE = {
    "bayes": "; auto is the nearest",
    "bayesian": "; auto is the nearest",
    "optuna": "; its sampler is tpe",
    "hyperopt": "; its algorithm is tpe",
    "sobol": "; its points are qmc",
    "grid": "; a grid is written at the values: lr: {grid_search: [0.1, 0.01]}",
    "grid_search": "; a grid is written at the values: lr: {grid_search: [0.1, 0.01]}",
}
"""What other tools call a search, and what to write here."""


class OwnOptions(BaseModel):
    """What there is to say of a searcher of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    startup_trials: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description=(
            "How many trials of each cell of the grid are spread over the space before the searcher"
            " is asked."
        ),
    )
    lag: int | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description=(
            "Trial i is proposed from the results of the trials before i - lag and of no others, so"
            " that the configs are the same on one machine and on twenty; default: from all that"
            " are there."
        ),
    )


class SearchOptions(OwnOptions):
    """What an algorithm can be told."""

    startup_trials: int = Field(
        _STARTUP,
        ge=1,
        le=1_000_000,
        description=(
            "How many trials of each cell of the grid are spread over the space before a model"
            " proposes any; of nsga2 also how many a generation has, at least 2."
        ),
    )
    failures: Literal["worst", "ignore"] = Field(
        "worst",
        description=(
            "What a model learns from a trial that fails, or whose metric is not a finite number:"
            " that it is as bad as the worst, or nothing."
        ),
    )


@dataclass(frozen=True)
class Search:
    """How the values of an experiment's domains are chosen.

    Attributes:
        algorithm: One of `ALGORITHMS`.
        startup_trials: Of each cell of the grid; all of them if the algorithm learns nothing.
        lag: See `SearchOptions`.
        ignores_failures: Whether failed trials teach nothing.
    """

    algorithm: Algorithm = "random"
    startup_trials: int = _STARTUP
    lag: int | None = None
    ignores_failures: bool = False

    @property
    def learns(self) -> bool:
        """Whether it needs results."""
        return self.algorithm in MODELS


def parsed_search(given: object) -> Search:
    """What `search` says: an algorithm's name, or `{name: options}`.

    Raises:
        OptionError: If it says anything else; says what is wrong.
    """
    form = {given: {}} if isinstance(given, str) else given
    if not isinstance(form, Mapping) or len(form) != 1:
        names = ", ".join(ALGORITHMS)
        got = short(given)
        raise OptionError(f"expected one of {names}, or {{tpe: {{lag: 8}}}}, got {got}")
    (name,) = form
    algorithm = next((each for each in ALGORITHMS if each == name), None)
    if algorithm is None:
        raise OptionError(f"unknown algorithm {short(name)}{_hint(name)}")
    options = _options(name, form[name])
    ignores = isinstance(options, SearchOptions) and options.failures == "ignore"
    return Search(algorithm, options.startup_trials, options.lag, ignores)


def _hint(name: object) -> str:
    """What to write in place of the name, and all that are known."""
    known = f" (known: {', '.join(ALGORITHMS)})"
    elsewhere = _ELSEWHERE.get(str(name).lower())
    return f"{elsewhere}{known}" if elsewhere else hint(name, ALGORITHMS)


def options_model(name: str) -> type[OwnOptions]:
    """What the options of an algorithm are checked against."""
    return OwnOptions if name == OWN else SearchOptions


def _options(name: str, given: object) -> OwnOptions:
    model = options_model(name)
    options = known_options(name, given, model)
    if options and name not in MODELS:
        raise OptionError(f"{name} learns nothing: it has no options")
    return options_of(name, options, model)
