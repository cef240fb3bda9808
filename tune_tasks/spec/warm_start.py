"""The key `warm_start` of an experiment: what earlier sweeps, or a table, are to teach it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from tune_tasks.errors import did_you_mean

LAST = "last"
ALL = "all"
FILES = (".csv", ".json")
"""The ends of names that are those of files."""
Use = Literal["configs", "results", "both"]
_USES: tuple[Use, ...] = get_args(Use)


class WarmStartSpec(BaseModel):
    """What an experiment starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)

    source: str = Field(
        LAST,
        alias="from",
        min_length=1,
        description=(
            "`last`: the last sweep of the experiment in the folder of results, `all`: all of them;"
            " or a sweep's id, the name of an experiment, or a CSV or JSON file."
        ),
    )
    use: Use = Field(
        "both",
        description=(
            "`configs`: the best ones are tried first; `results`: the model is told of them;"
            " `both`: both."
        ),
    )
    top: int = Field(
        5, ge=1, le=1000, description="How many configs are tried first, in each cell of the grid."
    )

    @field_validator("use", mode="before")
    @classmethod
    def _known_use(cls, use: object) -> object:
        if use in _USES:
            return use
        hint = did_you_mean(str(use), _USES)
        problem = f"expected {', '.join(_USES[:-1])} or {_USES[-1]}, got {use!r}{hint}"
        raise PydanticCustomError("wrong", "{reason}", {"reason": problem})

    @property
    def wants_configs(self) -> bool:
        """Whether the best configs are to be tried."""
        return self.use != "results"

    @property
    def wants_results(self) -> bool:
        """Whether the model is to be told of results."""
        return self.use != "configs"


@dataclass(frozen=True)
class HeadStart:
    """What is known before the first trial.

    Attributes:
        configs: What trials try after those of `try_first`: values of domains by dotted path. What
            a trial cannot have of them is drawn.
        told: How many results a model is told of, by cell of the grid.
    """

    configs: Sequence[Mapping[str, Any]] = ()
    told: Mapping[int, int] = field(default_factory=dict)


NO_HEAD_START = HeadStart()
