"""The language of `eval:` values in a spec: a bounded subset of Python's expressions.

`ast` parses the source. `_build` checks every node against the tables of `functions` and turns it
into closures. Python's own `eval` never sees it.

Time and memory are bounded by one budget of steps: see `values`. A loop pays the number of its
nodes on each turn. Sizes that arguments ask for are checked beforehand.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tune_tasks.errors import ExpressionError, did_you_mean
from tune_tasks.spec.expressions.budget import Budget
from tune_tasks.spec.expressions.functions import (
    CONSTANTS,
    FUNCTIONS,
    OPERATORS,
    RESERVED,
    Function,
    operate,
)
from tune_tasks.spec.expressions.values import (
    FAILURES,
    MAX_BITS,
    MAX_STEPS,
    LimitError,
    Lookup,
    Path,
    Run,
    Value,
    as_plain,
    from_numpy,
    is_array,
    items_of,
    listed,
    shortened,
)

MAX_SOURCE = 10_000  # characters
MAX_DEPTH = 100  # nested nodes
_OF_AN_EVALUATION = 10
"""Steps: the time that an evaluation takes beside its own steps."""
_Code: TypeAlias = Callable[[Run], Value]


@dataclass(frozen=True)
class _Scope:
    """The names that the loops around a node bind, and all references of the expression so far."""

    names: frozenset[str]
    references: set[Path]


def _refuse(what: str) -> ExpressionError:
    return ExpressionError(f"{what} is not part of the eval language")


def _operation(node: ast.AST) -> Callable[..., Value]:
    if type(node) not in OPERATORS:
        raise _refuse(_REFUSED.get(type(node), f"the operator {type(node).__name__}"))
    return OPERATORS[type(node)]


def _build(node: ast.AST, scope: _Scope) -> _Code:
    builder = _BUILDERS.get(type(node))
    if builder is None:
        raise _refuse(_REFUSED.get(type(node), f"the syntax {type(node).__name__}"))
    return builder(node, scope)


def _constant(node: ast.Constant, _scope: _Scope) -> _Code:
    value = node.value
    if value is not None and type(value) not in (bool, int, float, str):
        raise _refuse("..." if value is ... else f"a {type(value).__name__}")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"an integer has more than {MAX_BITS} bits")
    return lambda run: value


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    root = "np" if node.id == "numpy" else node.id
    return ".".join((root, *reversed(parts)))


def _spec_path(node: ast.AST) -> Path | None:
    """`("config", "a", 0)` for `spec.config.a[0]`; None if it is not a constant path of `spec`."""
    parts: list[str | int] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        key = node.attr if isinstance(node, ast.Attribute) else getattr(node.slice, "value", None)
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            return None
        parts.append(key)
        node = node.value
    return tuple(reversed(parts)) if isinstance(node, ast.Name) and node.id == "spec" else None


def _reference(path: Path, scope: _Scope) -> _Code:
    if len(path) < 2 or path[0] != "config":
        raise ExpressionError("spec has only settings, written spec.config.<name>")
    if dunder := [part for part in path if str(part).startswith("__")]:
        raise _refuse(f"the name {shortened(str(dunder[0]))}")
    scope.references.add(path[1:])
    return lambda run: run.refer(path[1:])


def _name(node: ast.Name | ast.Attribute, scope: _Scope) -> _Code:
    name = _dotted(node)
    path = _spec_path(node)
    if path is not None:
        return _reference(path, scope)
    if name is None or ("." in name and name.split(".")[0] in scope.names):
        raise _refuse(f"the attribute .{shortened(getattr(node, 'attr', ''))}")
    if name in scope.names:
        return lambda run: run.names[name]
    if name == "_i":
        return lambda run: run.index
    return _named_constant(name, scope)


def _named_constant(name: str, scope: _Scope) -> _Code:
    if name in CONSTANTS:
        value = CONSTANTS[name]
        return lambda run: value
    if name in FUNCTIONS:
        raise ExpressionError(f"{name} is a function; call it: {name}(...)")
    hint = did_you_mean(name, [*FUNCTIONS, *CONSTANTS, *scope.names, "spec", "_i"])
    if not hint and "." not in name:
        hint = f"; a setting is written spec.config.{shortened(name)}"
    raise ExpressionError(f"{shortened(name)} is not a name of the eval language{hint}")


def _sequence(
    kind: type[list[Value]] | type[tuple[Value, ...]], node: ast.List | ast.Tuple, scope: _Scope
) -> _Code:
    items = [_build(item, scope) for item in node.elts]

    def code(run: Run) -> Value:
        value = kind(listed(item(run)) for item in items)
        run.weigh(value)
        return value

    return code


def _dict(node: ast.Dict, scope: _Scope) -> _Code:
    if None in node.keys:
        raise _refuse("unpacking with **")
    items = [
        (_build(key, scope), _build(value, scope))
        for key, value in zip(node.keys, node.values, strict=True)
        if key
    ]

    def code(run: Run) -> Value:
        pairs = [(key(run), listed(value(run))) for key, value in items]
        if not all(isinstance(key, (str, int, float)) for key, _ in pairs):
            raise TypeError("the keys of a dict are texts or numbers")
        run.weigh(value := dict(pairs))
        return value

    return code


def _unary(node: ast.UnaryOp, scope: _Scope) -> _Code:
    operation, operand = _operation(node.op), _build(node.operand, scope)
    return lambda run: operate(run, operation, operand(run))


def _binary(node: ast.BinOp, scope: _Scope) -> _Code:
    operation, left, right = (
        _operation(node.op),
        _build(node.left, scope),
        _build(node.right, scope),
    )
    return lambda run: operate(run, operation, left(run), right(run))


def _boolean(node: ast.BoolOp, scope: _Scope) -> _Code:
    values = [_build(value, scope) for value in node.values]
    stops = isinstance(node.op, ast.Or)

    def code(run: Run) -> Value:
        for value in values[:-1]:
            if bool(result := value(run)) is stops:
                return result
        return values[-1](run)

    return code


def _compare(node: ast.Compare, scope: _Scope) -> _Code:
    first = _build(node.left, scope)
    rest = [
        (_operation(op), _build(right, scope))
        for op, right in zip(node.ops, node.comparators, strict=True)
    ]

    def code(run: Run) -> Value:
        left = first(run)
        for place, (operation, operand) in enumerate(rest, start=1):
            right = operand(run)
            result = operate(run, operation, left, right)
            if place == len(rest) or not result:
                break
            left = right
        return result

    return code


def _conditional(node: ast.IfExp, scope: _Scope) -> _Code:
    test, body, orelse = (_build(part, scope) for part in (node.test, node.body, node.orelse))
    return lambda run: body(run) if test(run) else orelse(run)


def _index(node: ast.AST, scope: _Scope) -> _Code:
    if isinstance(node, ast.Tuple):
        parts = [_index(part, scope) for part in node.elts]
        return lambda run: tuple(part(run) for part in parts)
    if not isinstance(node, ast.Slice):
        return _build(node, scope)
    ends = [_build(end, scope) if end else None for end in (node.lower, node.upper, node.step)]
    return lambda run: slice(*(end(run) if end else None for end in ends))


def _subscript(node: ast.Subscript, scope: _Scope) -> _Code:
    if (path := _spec_path(node)) is not None:
        return _reference(path, scope)
    container, index = _build(node.value, scope), _index(node.slice, scope)

    def code(run: Run) -> Value:
        value, place = container(run), index(run)
        places = place if isinstance(place, tuple) and is_array(value) else [place]
        # Other indices of an array (None, booleans, lists) can make a larger one.
        kinds = {int, slice} if is_array(value) else {str, bool, int, float, slice}
        if not {type(part) for part in places} <= kinds:
            raise TypeError(f"an index is a number or a slice, not {type(place).__name__}")
        result = from_numpy(value[place])
        if isinstance(place, (slice, tuple)):
            run.weigh(result)
        return result

    return code


def _targets(node: ast.AST) -> list[str]:
    targets = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
    for target in targets:
        if not isinstance(target, ast.Name):
            raise _refuse("a loop target that is no name or tuple of names")
        if target.id in RESERVED or target.id.startswith("__"):
            raise ExpressionError(f"{shortened(target.id)} cannot be the name of a loop")
    return [target.id for target in targets if isinstance(target, ast.Name)]


@dataclass(frozen=True)
class _Clause:
    """One `for names in source if conditions` of a comprehension.

    Attributes:
        unpack: Whether the names are a tuple.
    """

    source: _Code
    names: list[str]
    unpack: bool
    conditions: list[_Code]

    def bind(self, run: Run, item: Value) -> bool:
        values = items_of(item) if self.unpack else [item]
        if len(values) != len(self.names):
            raise ValueError(f"expected {len(self.names)} values to unpack, got {len(values)}")
        run.names.update(zip(self.names, values, strict=True))
        return all(condition(run) for condition in self.conditions)


def _turns(run: Run, clauses: list[_Clause], cost: int) -> Iterator[None]:
    if not clauses:
        yield
        return
    for item in items_of(clauses[0].source(run)):
        run.spend(cost)
        if clauses[0].bind(run, item):
            yield from _turns(run, clauses[1:], cost)


def _comprehension(node: ast.ListComp | ast.GeneratorExp, scope: _Scope) -> _Code:
    cost = sum(1 for _ in ast.walk(node))
    clauses = []
    if len(node.generators) > 5 or any(generator.is_async for generator in node.generators):
        raise _refuse("a comprehension of more than 5 loops, or an asynchronous one,")
    for generator in node.generators:
        source, names = _build(generator.iter, scope), _targets(generator.target)
        scope = _Scope(scope.names | set(names), scope.references)
        conditions = [_build(condition, scope) for condition in generator.ifs]
        clauses.append(
            _Clause(source, names, not isinstance(generator.target, ast.Name), conditions)
        )
    element = _build(node.elt, scope)

    def code(run: Run) -> Value:
        outer, run.names = run.names, dict(run.names)
        value = [listed(element(run)) for _ in _turns(run, clauses, cost)]
        run.names = outer
        run.weigh(value)
        return value

    return code


def _check_arguments(name: str, function: Function, node: ast.Call) -> None:
    names = function.parameters
    rest = names[0] if function.signature.startswith("*") else None
    keywords = [keyword.arg or "**" for keyword in node.keywords]
    if "**" in keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise _refuse("unpacking with *")
    if not rest and len(node.args) > len(names):
        raise ExpressionError(f"{name} takes at most {len(names)} arguments, got {len(node.args)}")
    given = [rest] if rest else [*names[: len(node.args)]]
    for keyword in keywords:
        if keyword not in names:
            raise ExpressionError(
                f"{name} takes no argument {shortened(keyword)!r}{did_you_mean(keyword, names)}"
            )
        if keyword in given:
            raise ExpressionError(f"{name} gets the argument {keyword!r} twice")
        given.append(keyword)
    if missing := [name for name in function.required if name not in given]:
        raise ExpressionError(f"{name} needs the argument {missing[0]!r}")


def _call(node: ast.Call, scope: _Scope) -> _Code:
    name = _dotted(node.func)
    if name is None or name.split(".")[0] in scope.names:
        raise _refuse(
            f"the method .{shortened(node.func.attr)}"
            if isinstance(node.func, ast.Attribute)
            else "calling a value"
        )
    function = FUNCTIONS.get(name)
    if function is None:
        hint = did_you_mean(name, FUNCTIONS)
        raise ExpressionError(f"{shortened(name)} is not a function of the eval language{hint}")
    _check_arguments(name, function, node)
    args = [_build(arg, scope) for arg in node.args]
    kwargs = {keyword.arg: _build(keyword.value, scope) for keyword in node.keywords if keyword.arg}

    def code(run: Run) -> Value:
        positional = [arg(run) for arg in args]
        named = {key: arg(run) for key, arg in kwargs.items()}
        run.spend(5)
        run.weigh(*positional, *named.values())
        run.weigh(result := function.call(run, *positional, **named))
        return result

    return code


_BUILDERS: dict[type[ast.AST], Callable[[Any, _Scope], _Code]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _name,
    ast.List: functools.partial(_sequence, list),
    ast.Tuple: functools.partial(_sequence, tuple),
    ast.Dict: _dict,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.Call: _call,
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment (:=)",
    ast.Starred: "unpacking with *",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Set: "a set",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.MatMult: "the operator @",
    ast.Is: "the operator 'is' (use ==)",
    ast.IsNot: "the operator 'is not' (use !=)",
}


def _depth(tree: ast.AST) -> int:
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _syntax(source: str) -> ast.expr:
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"an expression has at most {MAX_SOURCE:,} characters, this one {len(source):,}"
        )
    try:
        with warnings.catch_warnings():
            # What one version of Python warns of, the next one refuses
            warnings.simplefilter("error")
            tree = ast.parse(source.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"{shortened(source)!r} is not an expression: {error.msg}") from None
    except (MemoryError, RecursionError, ValueError, Warning) as error:
        reason = shortened(str(error) or "too deeply nested")
        raise ExpressionError(f"{shortened(source)!r} is not an expression: {reason}") from None
    if _depth(tree) > MAX_DEPTH:
        raise ExpressionError(f"an expression is nested at most {MAX_DEPTH} deep")
    return tree.body


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        source: The text as written in the spec.
        references: The settings that it reads, as paths below `spec.config`.
    """

    source: str
    references: frozenset[Path]
    _code: _Code = field(repr=False, compare=False)

    @classmethod
    def parse(cls, source: str) -> Expression:
        """Check `source` and make it ready to be evaluated.

        Raises:
            ExpressionError: `source` is not in the language; the message says why, and the nearest
                right thing.
        """
        tree = _syntax(source)
        scope = _Scope(frozenset(), set())
        code = _build(tree, scope)
        return cls(source, frozenset(scope.references), code)

    def evaluate(
        self, *, stream: str, index: int, lookup: Lookup, budget: Budget | None = None
    ) -> object:
        """The value for one trial: None, bool, int, float, str, list or dict.

        Tuples and arrays become lists.

        Args:
            stream: Seeds `random` and `np.random`; the same text gives the same value on every
                machine.
            index: The value of `_i`.
            lookup: Gives the value of a setting; an ExpressionError that it raises passes through.
            budget: Of the plan, from which the evaluation's steps are taken, and its value.

        Raises:
            ExpressionError: The evaluation failed or exceeded a bound; the message quotes the
                expression.
        """
        run = Run(stream, index, lookup)
        try:
            value = self._code(run)
            left = run.steps
            run.weigh(value)
            if budget:
                budget.spend(MAX_STEPS - run.steps + _OF_AN_EVALUATION, left - run.steps)
            return as_plain(value)
        except ExpressionError:
            raise
        except FAILURES as error:
            kind = "" if isinstance(error, LimitError) else f"{type(error).__name__}: "
            raise ExpressionError(
                f"{shortened(self.source)!r} failed: {kind}{shortened(str(error), 200)}"
            ) from error

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        return Expression.parse, (self.source,)
