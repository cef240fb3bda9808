"""One experiment of a spec, with the places in the spec's file that messages name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.errors import Location
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.loading import Spec
from tune_tasks.spec.schema import SCRIPT, ExperimentSpec

Doubt = tuple[Location | None, str, str]
"""A place, the path there such as `.config.lr`, and what is doubtful about the value."""


@dataclass(frozen=True)
class Part:
    """One experiment of a spec.

    Attributes:
        spec: The whole spec.
        name: The experiment's name.
        experiment: What is to run. It may differ from what the file says.
    """

    spec: Spec
    name: str
    experiment: ExperimentSpec

    @property
    def given(self) -> Mapping[str, Any]:
        """The experiment as the file says it, as plain data."""
        return self.spec.source.data[self.name] or {}

    @property
    def is_script(self) -> bool:
        """Whether its trials run a script."""
        return self.experiment.alg == SCRIPT

    def at(self, path: NodePath, *, key: bool = False) -> Location | None:
        """Return the place of a value by its path within the experiment; None if it has none.

        Args:
            path: Keys and list indices.
            key: Whether to return the place of the last key in place of its value's.
        """
        return self.spec.source.at((self.name, *path), key=key)

    def worded(self, doubt: Doubt) -> str:
        """Return a doubt as a warning, with its place if it has one."""
        place, about, text = doubt
        warning = f"{self.name}{about}: {text}"
        return f"{place}: {warning}" if place else warning

    def in_scheduler(self, number: int, name: str) -> NodePath:
        """Return the path of a scheduler's options, of which there may be a list."""
        is_list = isinstance(self.given.get("scheduler"), list)
        return ("scheduler", *((number,) if is_list else ()), name)

    def in_config(self, path: NodePath) -> Location | None:
        """Return the place of a value by its path within `config`."""
        return self.at(("config", *path))
