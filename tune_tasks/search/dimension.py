"""What a search goes over, as people are shown it: its settings that have domains. Plain data.

It goes into the sweep's journal, so that a sweep can be looked at without its spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tune_tasks.model.masking import is_secret
from tune_tasks.model.paths import dotted
from tune_tasks.spec.domains import DOMAINS, Categories, Coordinate, Scale, Unit
from tune_tasks.spec.search_nodes import Parameter
from tune_tasks.spec.search_space import SearchSpace

_BRANCH = re.compile(r"#+\d+$")
_LOGARITHMIC = ("loguniform", "qloguniform", "logint", "lognormal")
_WITHOUT_BOUNDS = ("normal", "lognormal")


@dataclass(frozen=True)
class Dimension:
    """A setting that has a domain.

    Attributes:
        name: As searchers call it; branches with different domains at one path have several names.
        path: Its dotted path.
        kind: The kind of domain, such as `loguniform`.
        given: What the domain is given, if that is numbers: bounds, or the options of a choice.
        categories: The number of options of a choice that are not numbers in rising order, else 0.
    """

    name: str
    path: str
    kind: str
    given: tuple[int | float, ...] = ()
    categories: int = 0

    @property
    def scale(self) -> Scale:
        """What a searcher chooses from."""
        if self.categories:
            return Categories(self.categories)
        return DOMAINS[self.kind].scale(*self.given) if self.given else Unit()

    @property
    def is_log(self) -> bool:
        """Whether each factor is as likely as another."""
        return self.kind in _LOGARITHMIC

    @property
    def has_ends(self) -> bool:
        """Whether its values lie between two ends, a lower and an upper one."""
        return not self.categories and self.kind not in _WITHOUT_BOUNDS

    def ends(self) -> tuple[float, float] | None:
        """Its least and its greatest value; None if it has none, or if they depend on others."""
        if not self.has_ends or not self.given:
            return None
        is_choice = self.kind == "choice"
        return self.given[0], self.given[-1] if is_choice else self.given[1]

    def position(self, coordinate: Coordinate) -> float:
        """Where a coordinate lies on its scale: in [0, 1]."""
        return self.scale.position(coordinate)


def dimensions_of(space: SearchSpace) -> tuple[Dimension, ...]:
    """The settings of a space that have domains, but for those whose values are secret."""
    return tuple(_dimensions(space))


def _dimensions(space: SearchSpace) -> Iterator[Dimension]:
    searched = {dotted(path) for path in space.searched}
    seen: set[str] = set()
    for parameter in space.parameters:
        name = parameter.name
        path = name if name in searched else _BRANCH.sub("", name)
        if name not in seen and not is_secret(path):
            seen.add(name)
            yield _dimension(parameter, path)


def _dimension(parameter: Parameter, path: str) -> Dimension:
    scale = parameter.scale
    kind = parameter.domain.name
    if isinstance(scale, Categories):
        return Dimension(parameter.name, path, kind, categories=scale.count)
    given = () if parameter.is_dependent else tuple(parameter.given)
    return Dimension(parameter.name, path, kind, given)
