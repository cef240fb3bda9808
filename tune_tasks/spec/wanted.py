"""What a trial is to try, as somebody has said it: some of its values, by dotted path. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tune_tasks.errors import ExpressionError, did_you_mean
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.branches import Branch, Found, branches
from tune_tasks.spec.domains import Choice, Coordinate
from tune_tasks.spec.search_nodes import Parameter


class Wanted:
    """The values that one trial is to have.

    Args:
        values: By dotted path below `config`.
        is_wish: Whether what the trial cannot have is left to the others that choose, and is no
            error.

    Attributes:
        is_wish: See above.
    """

    def __init__(self, values: Mapping[str, Any], *, is_wish: bool = False) -> None:
        self._values = values
        self.is_wish = is_wish
        self._used: set[str] = set()

    def coordinate(
        self, parameter: Parameter, path: NodePath, given: Sequence[Any]
    ) -> Coordinate | None:
        """The coordinate of the wanted value, or of the branch that has the wanted ones.

        Args:
            parameter: Of which a value may be wanted.
            path: Its path.
            given: What its domain is given in this trial.

        Returns:
            None if nothing is said of it.

        Raises:
            ExpressionError: If the domain has no such value.
        """
        try:
            return self._wanted(parameter, path, given)
        except ExpressionError:
            if self.is_wish:
                return None
            raise

    def _wanted(
        self, parameter: Parameter, path: NodePath, given: Sequence[Any]
    ) -> Coordinate | None:
        name = dotted(path)
        if name in self._values:
            self._used.add(name)
            return self._coordinate_of(name, parameter, given)
        below = {key: self._values[key] for key in self._values if key.startswith(f"{name}.")}
        if below and isinstance(parameter.domain, Choice):
            return self._branch(below, name, given)
        return None

    def value(self, path: NodePath, otherwise: Any) -> Any:
        """The wanted number at a path, to the last digit; another value if none is said.

        Args:
            path: The path.
            otherwise: The value of the wanted one's coordinate. If that is no float, it is what is
                wanted: tables have 3.0 in place of 3.
        """
        if not isinstance(otherwise, float):
            return otherwise
        return self._values.get(dotted(path), otherwise)

    def _coordinate_of(self, name: str, parameter: Parameter, given: Sequence[Any]) -> Coordinate:
        coordinate = parameter.domain.coordinate(self._values[name], *given)
        if coordinate is None:
            domain = parameter.domain.name
            what = "one of the options" if isinstance(parameter.domain, Choice) else list(given)
            (shown,) = masked_by_path({name: self._values[name]}).values()
            raise ExpressionError(f"{shown!r} is not a value of {domain}: {what}")
        return coordinate

    def _branch(
        self, below: Mapping[str, Any], name: str, given: Sequence[Any]
    ) -> Coordinate | None:
        all_of_them = branches(given, name, below)
        best = max(all_of_them, key=lambda branch: branch.rank)
        if best.hits < len(below) and not self.is_wish:
            best = _only_one_with_all_paths(all_of_them, below)
        if not (best.found and best.is_allowed):
            return None
        self._used |= {key for key, found in best.found.items() if found is Found.SAME}
        return best.number

    def expect_used(self, known: Iterable[str]) -> None:
        """Check that the trial has all of it, if it is no wish.

        Args:
            known: The paths of what is searched.

        Raises:
            ExpressionError: If something is wanted that the trial does not have, or that is not
                searched.
        """
        if self.is_wish:
            return
        unused = sorted(self._values.keys() - self._used)
        names = list(known) if unused else []
        for name in unused:
            if name in names:
                raise ExpressionError(f"{name}: a trial with the other values does not have it")
            raise ExpressionError(f"{name}: it has no domain{did_you_mean(name, names)}")


NOTHING = Wanted({})


def _only_one_with_all_paths(each: Sequence[Branch], below: Mapping[str, Any]) -> Branch:
    """The branch whose domains are to say what is wrong with the wanted values."""
    complete = [branch for branch in each if branch.is_allowed and len(branch.found) == len(below)]
    if len(complete) != 1:
        shown = ", ".join(f"{key}: {value!r}" for key, value in masked_by_path(below).items())
        raise ExpressionError(f"no option has {shown}")
    return complete[0]
