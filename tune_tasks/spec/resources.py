"""The key `resources` of an experiment: the share of the cluster that each trial occupies."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from tune_tasks.model.trial import Resources

SIZE_EXPECTED = "bytes or a size such as '2GiB' or '500MB', below 8 EiB"
GPU_EXPECTED = "a fraction up to 1 or a whole number"

_UNITS = {
    **{"": 1, "B": 1},
    **{"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40},
    **{"K": 2**10, "M": 2**20, "G": 2**30},
}
_MAX_MEMORY = 2**63 - 1
_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*")


class ResourcesSpec(BaseModel):
    """The share of the cluster that each trial occupies."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cpu: float = Field(
        1, ge=0, allow_inf_nan=False, description="CPUs of a trial; fractions allowed."
    )
    gpu: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="GPUs of a trial; fractions up to 1, or whole numbers.",
    )
    memory: int | str = Field(
        0, description="Memory that Ray reserves for a trial: bytes, or a text such as '2GiB'."
    )

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if not is_gpu_share(gpu):
            raise PydanticCustomError("gpu", f"expected {GPU_EXPECTED}")
        return gpu

    @field_validator("memory", mode="before")
    @classmethod
    def _readable_size(cls, memory: object) -> object:
        if not isinstance(memory, (int, str)) or parse_size(memory) is None:
            raise PydanticCustomError("memory", f"expected {SIZE_EXPECTED}")
        return memory

    def resources(self) -> Resources:
        """The same as a trial has it, memory in bytes."""
        return Resources(self.cpu, self.gpu, parse_size(self.memory) or 0)


def is_gpu_share(gpu: float) -> bool:
    """Whether Ray can give this many GPUs: above one it gives whole ones."""
    return gpu <= 1 or gpu == int(gpu)


def parse_size(value: int | str) -> int | None:
    """Bytes from a number or a text such as `2GiB` or `500MB`.

    None if it is neither, or more than any machine has.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None:
        return None
    unit = _UNITS.get(match["unit"].upper())
    if unit is None:
        return None
    size = float(match["number"]) * unit
    return int(size) if size <= _MAX_MEMORY else None
