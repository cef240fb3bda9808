"""What a trial is to try, as somebody has said it: some of its values, by dotted path. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tune_tasks.errors import ExpressionError, did_you_mean
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.domains import Choice, Coordinate, is_same
from tune_tasks.spec.search_nodes import Parameter

_MISSING = object()


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
        for number, option in enumerate(given):
            plain = _plain(option, below, name)
            if all(_fits(plain[key], value) for key, value in below.items()):
                self._used |= {key for key, node in plain.items() if not _is_searched(node)}
                return number
        if self.is_wish:
            return self._nearest_branch(below, name, given)
        shown = ", ".join(f"{key}: {value!r}" for key, value in masked_by_path(below).items())
        raise ExpressionError(f"no option has {shown}")

    def _nearest_branch(
        self, below: Mapping[str, Any], name: str, given: Sequence[Any]
    ) -> Coordinate | None:
        """The branch that has most of the wanted values, and no other one in place of any."""
        best, most = None, 0
        for number, option in enumerate(given):
            nodes = _plain(option, below, name)
            there = {key: node for key, node in nodes.items() if node is not _MISSING}
            if len(there) > most and all(_fits(there[key], below[key]) for key in there):
                best, most = number, len(there)
        return best

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


def _at(option: Any, path: str) -> Any:
    """What stands at a dotted path in an option; a searched part ends the way."""
    for part in path.split("."):
        if _is_searched(option):
            return option
        if not isinstance(option, dict) or part not in option:
            return _MISSING
        option = option[part]
    return option


def _plain(option: Any, below: Iterable[str], name: str) -> dict[str, Any]:
    """What an option of the choice `name` has at each of the paths below it."""
    return {key: _at(option, key.removeprefix(f"{name}.")) for key in below}


def _is_searched(node: Any) -> bool:
    return isinstance(node, Parameter)


def _fits(node: Any, value: Any) -> bool:
    return _is_searched(node) or (node is not _MISSING and is_same(node, value))
