"""The key `checkpoint` of an experiment: when checkpoints are due, and which of them are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CheckpointSpec(BaseModel):
    """When a trial's checkpoints are due, and which of them are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    every_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds from one checkpoint to the next; default: none is due by time.",
    )
    keep: int | None = Field(
        None,
        ge=1,
        description=(
            "How many of a trial's latest are kept; default: 2, or all if `checkpoint_freq` or"
            " `checkpoint_at_end` is given."
        ),
    )
    keep_best: bool = Field(
        True, description="Whether the one with the best metric is kept as well."
    )
    log: bool = Field(
        False,
        description=(
            "Whether MLflow gets the checkpoint with the best metric as an artifact when the trial"
            " ends."
        ),
    )
