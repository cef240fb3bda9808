"""Finds the searched parts of a config, and checks what can be checked before a trial. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tune_tasks.errors import ExpressionError, Location, SpecError, did_you_mean
from tune_tasks.model.masking import masked_by_path, without_secrets
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.spec.domains import DOMAINS, Domain
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.search_nodes import Condition, Eval, Grid, Parameter

Locate = Callable[[NodePath], Location | None]

_MARKERS = ("grid_search", "eval", *DOMAINS)
_WHEN = "when"
BESIDE_A_DOMAIN = frozenset({"q", "p", "weights", "probabilities", "base", "log", "step"})
"""What other tools write beside a domain; with anything else it may be somebody's own value."""
_BOUNDS = frozenset({"low", "high", "lower", "upper", "min", "max", "size", "q"})
_RANDINT = (
    "tools disagree on whether the upper end of randint is included, so it is not taken; write int,"
    " which includes both ends"
)


class SearchParser:
    """Parses one config.

    Args:
        config: The config of an experiment.
        locate: The place of a value by its path within the config.

    Attributes:
        tree: The config with `Grid`, `Eval` and `Parameter` in place of what is searched.
        grids: By path.
        searched: The paths of what is searched, in no order.
        parameters: All of them, those of every branch.
        groups: The paths of choices among mappings; what is searched there is in the mappings.

    Raises:
        SpecError: If searched parts are malformed; it has them all.
    """

    def __init__(self, config: Mapping[str, Any], locate: Locate) -> None:
        self._locate = locate
        self._problems: list[SpecError] = []
        self._known = {dotted(path): path for path in _paths(config, ())}
        self._definitions: dict[str, list[tuple[Any, ...]]] = {}
        self.grids: dict[NodePath, Grid] = {}
        self.searched: list[NodePath] = []
        self.parameters: list[Parameter] = []
        self.groups: set[NodePath] = set()
        self.tree = self._parse(config, (), (), inside="")
        if self._problems:
            raise SpecError.of(self._problems)

    def _parse(self, node: Any, path: NodePath, site: NodePath, *, inside: str) -> Any:
        """Parse a part.

        Args:
            node: The part.
            path: Where it will be in a trial's config.
            site: Where it is in the spec.
            inside: `grid_search` or `choice` if it is a part of an option of one.
        """
        if isinstance(node, Mapping):
            try:
                return self._parse_mapping(node, path, site, inside=inside)
            except SpecError as exc:
                self._problems.append(exc)
                return None
        if isinstance(node, list):
            return [
                self._parse(value, (*path, i), (*site, i), inside=inside)
                for i, value in enumerate(node)
            ]
        return node

    def _parse_mapping(
        self, node: Mapping[str, Any], path: NodePath, site: NodePath, *, inside: str
    ) -> Any:
        self._expect_no_randint(node, path, site)
        marker = _marker_of(node)
        if marker:
            return self._parse_marker(marker, node, path, site, inside=inside)
        return {
            key: self._parse(value, (*path, key), (*site, key), inside=inside)
            for key, value in node.items()
        }

    def _parse_marker(
        self, marker: str, node: Mapping[str, Any], path: NodePath, site: NodePath, *, inside: str
    ) -> Grid | Eval | Parameter:
        place = self._locate(site)
        if not path:
            message = f"config: {marker} stands for a value of config, not for config itself"
            raise SpecError(message, place)
        name = f"config.{dotted(path)}"
        for key in node:
            if key != marker and marker not in DOMAINS:
                message = f"{name}: {marker} stands alone; {key!r} beside it is not expected"
                raise SpecError(message, place)
        if inside != "grid_search":
            self.searched.append(path)
        if marker == "eval":
            return self._parse_eval(node["eval"], path, (*site, "eval"))
        if marker == "grid_search":
            return self._parse_grid(node["grid_search"], path, site, inside=inside)
        return self._parse_domain(DOMAINS[marker], node, path, site, inside=inside)

    def _parse_eval(self, source: object, path: NodePath, site: NodePath) -> Eval:
        place = self._locate(site)
        name = f"config.{dotted(path)}.eval"
        if not isinstance(source, str):
            got = _shown(source, path)
            raise SpecError(f"{name}: expected an expression as text, got {got}", place)
        try:
            return Eval(Expression.parse(source), place)
        except ExpressionError as exc:
            raise ExpressionError(f"{name}: {exc.message}", place) from None

    def _parse_grid(self, options: object, path: NodePath, site: NodePath, *, inside: str) -> Grid:
        place = self._locate((*site, "grid_search"))
        name = f"config.{dotted(path)}"
        if inside:
            of = "another" if inside == "grid_search" else f"a {inside}"
            problem = f"a grid_search within the values of {of} is not supported; use two keys"
            raise SpecError(f"{name}: {problem}", place)
        if not isinstance(options, list) or not options:
            problem = f"expected a list of at least one value, got {_shown(options, path)}"
            raise SpecError(f"{name}.grid_search: {problem}", place)
        parsed = (
            self._parse(option, path, (*site, "grid_search", i), inside="grid_search")
            for i, option in enumerate(options)
        )
        grid = Grid(tuple(parsed))
        self.grids[path] = grid
        return grid

    # ── Domains ─────

    def _parse_domain(
        self,
        domain: Domain,
        node: Mapping[str, Any],
        path: NodePath,
        site: NodePath,
        *,
        inside: str,
    ) -> Parameter:
        where = (*site, domain.name)
        place = self._locate(where)
        when = self._parse_when(node, path, (*site, _WHEN))
        name = self._name_of(path, (domain.name, repr(node[domain.name]), repr(node.get(_WHEN))))
        so_far = len(self._problems)
        if domain.name == "choice":
            given = self._parse_options(node["choice"], path, where, inside=inside)
        else:
            given = tuple(self._parse_bounds(node[domain.name], (*path, domain.name), where))
        is_known = not any(isinstance(each, Eval) for each in given) or domain.name == "choice"
        if is_known and len(self._problems) == so_far:
            self._expect_given(domain, given, path, place)
        parameter = Parameter(name, domain, given, when, bool(inside), place)
        self.parameters.append(parameter)
        return parameter

    def _expect_given(
        self, domain: Domain, given: tuple[Any, ...], path: NodePath, place: Location | None
    ) -> None:
        problem = domain.problem(list(given))
        if problem:
            problem = without_secrets(problem, [path])
            raise SpecError(f"config.{dotted(path)}.{domain.name}: {problem}", place)

    def _parse_bounds(self, bounds: list[Any], path: NodePath, site: NodePath) -> Iterator[Any]:
        for i, bound in enumerate(bounds):
            if isinstance(bound, Mapping) and list(bound) == ["eval"]:
                yield self._parse_eval(bound["eval"], (*path, i), (*site, i, "eval"))
            else:
                yield bound

    def _parse_options(
        self, options: list[Any], path: NodePath, site: NodePath, *, inside: str
    ) -> tuple[Any, ...]:
        parsed = []
        for i, option in enumerate(options):
            if inside != "grid_search" and isinstance(option, Mapping) and not _marker_of(option):
                self._note_group(option, path)
            within = inside or "choice"
            parsed.append(self._parse(option, path, (*site, i), inside=within))
        return tuple(parsed)

    def _note_group(self, option: Mapping[str, Any], path: NodePath) -> None:
        """Note what is chosen with an option that is a mapping: what stands in it."""
        self.groups.add(path)
        for key, value in option.items():
            below = (*path, key)
            if not isinstance(value, Mapping):
                if not holds_marker(value):
                    self.searched.append(below)
            elif not _marker_of(value):
                self._note_group(value, below)

    def _name_of(self, path: NodePath, definition: tuple[Any, ...]) -> str:
        """Branches that have the same domain at one path share a parameter."""
        name = dotted(path)
        definitions = self._definitions.setdefault(name, [])
        if definition not in definitions:
            definitions.append(definition)
        number = definitions.index(definition) + 1
        separator = "#"
        while any(known.startswith(f"{name}{separator}") for known in self._known):
            separator += "#"  # a key of the user's has it, too
        return name if number == 1 else f"{name}{separator}{number}"

    # ── Conditions ─────

    def _parse_when(
        self, node: Mapping[str, Any], path: NodePath, site: NodePath
    ) -> tuple[Condition, ...]:
        if _WHEN not in node:
            return ()
        when = node[_WHEN]
        place = self._locate(site)
        name = f"config.{dotted(path)}.when"
        if not isinstance(path[-1], str):
            raise SpecError(f"{name}: an item of a list is never absent", place)
        if not isinstance(when, Mapping) or not when:
            problem = f"expected a mapping such as {{layers: '>= 2'}}, got {_shown(when, path)}"
            raise SpecError(f"{name}: {problem}", place)
        return tuple(self._parse_condition(*item, name, site) for item in when.items())

    def _parse_condition(self, of: str, wanted: Any, name: str, site: NodePath) -> Condition:
        place = self._locate((*site, of))
        if of not in self._known:
            hint = did_you_mean(of, self._known)
            raise SpecError(f"{name}: config has no {of!r}{hint}", place)
        path = self._known[of]
        if isinstance(wanted, str) and wanted.lstrip().startswith((">", "<", "=")):
            try:
                return Condition(path, parse_criterion(of, wanted))
            except ValueError as exc:
                problem = without_secrets(str(exc), [path])
                raise SpecError(f"{name}.{of}: {problem}", place) from None
        return Condition(path, None, wanted if isinstance(wanted, list) else [wanted])

    def _expect_no_randint(self, node: Mapping[str, Any], path: NodePath, site: NodePath) -> None:
        names = node.keys() - {_WHEN} - BESIDE_A_DOMAIN
        if path and names == {"randint"} and _are_bounds(node["randint"]):
            raise SpecError(f"config.{dotted(path)}: {_RANDINT}", self._locate((*site, "randint")))


def _are_bounds(given: Any) -> bool:
    """Whether it is what other tools write at `randint`; else it may be somebody's own value."""
    if isinstance(given, Mapping):
        return bool(given) and given.keys() <= _BOUNDS
    return isinstance(given, (list, int, float)) and not isinstance(given, bool)


def _paths(node: Any, path: NodePath) -> Iterator[NodePath]:
    """Every path that a trial's config may have, those inside of `eval`s' values apart."""
    if path:
        yield path
    if isinstance(node, list):
        for i, item in enumerate(node):
            yield from _paths(item, (*path, i))
    elif isinstance(node, Mapping):
        marker = _marker_of(node)
        if marker in ("choice", "grid_search") and isinstance(node[marker], list):
            for option in node[marker]:
                yield from _paths(option, path)
        elif not marker:
            for key, item in node.items():
                yield from _paths(item, (*path, key))


def _marker_of(node: Mapping[str, Any]) -> str | None:
    """What kind of search a mapping stands for; None if it is a mapping of the user's."""
    for marker in ("grid_search", "eval"):
        if marker in node:
            return marker
    return next(iter(node.keys() - {_WHEN})) if is_domain(node) else None


def is_domain(node: Mapping[str, Any]) -> bool:
    """Whether a mapping of a config stands for a domain."""
    keys = node.keys() - {_WHEN}
    return len(keys) == 1 and all(key in DOMAINS and isinstance(node[key], list) for key in keys)


def holds_marker(value: Any) -> bool:
    """Whether a value is searched, or has something in it that is."""
    if isinstance(value, list):
        return any(map(holds_marker, value))
    if isinstance(value, Mapping):
        return bool(_marker_of(value)) or any(map(holds_marker, value.values()))
    return False


def _shown(value: object, path: NodePath) -> str:
    """A value as a message shows it: masked if its name says that it is a secret."""
    (masked,) = masked_by_path({dotted(path): value}).values()
    return repr(masked)
