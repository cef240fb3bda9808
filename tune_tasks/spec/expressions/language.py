"""The language of `eval:` values in a spec: a bounded subset of Python's expressions.

`syntax` parses the text, with Python's own parser. `nodes` checks every node against the tables of
`operators` and `functions`, and turns it into code of ours. Python's own `eval` never sees it.

Time and memory of an evaluation are bounded by one budget of steps: see `run`. A loop pays the
number of its nodes on each turn. Sizes that arguments ask for are checked beforehand. What all the
trials of a plan take together is bounded by `plan_budget`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tune_tasks.errors import ExpressionError
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.expressions.nodes import build
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.expressions.run import MAX_STEPS, Lookup, Run
from tune_tasks.spec.expressions.scope import Code, Scope
from tune_tasks.spec.expressions.syntax import parsed
from tune_tasks.spec.expressions.values import FAILURES, LimitError, as_plain, shortened

_OF_AN_EVALUATION = 10
"""Steps: the time that an evaluation takes beside its own steps."""
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        source: The text as written in the spec.
        references: The settings that it reads, as paths below `spec.config`.
    """

    source: str
    references: frozenset[NodePath]
    _code: Code = field(repr=False, compare=False)

    @property
    def draws(self) -> bool:
        """Whether it draws at random, as far as its text tells."""
        return "random." in self.source

    @classmethod
    def parse(cls, source: str) -> Expression:
        """Check `source` and make it ready to be evaluated.

        Raises:
            ExpressionError: If `source` is not in the language; the message says why, and the
                nearest right thing.
        """
        scope = Scope(build)
        code = scope.build(parsed(source))
        return cls(source, frozenset(scope.references), code)

    def evaluate(
        self, *, stream: str, index: int, lookup: Lookup, budget: PlanBudget | None = None
    ) -> object:
        """The value for one trial: None, bool, int, float, str, list or dict.

        Tuples and arrays become lists.

        Args:
            stream: Seeds `random` and `np.random`; the same text gives the same value on every
                machine.
            index: The value of `_i`.
            lookup: Gives the value of a setting; an ExpressionError that it raises passes through.
            budget: The plan's, which pays for the evaluation's steps and for its value.

        Raises:
            ExpressionError: If the evaluation fails or exceeds a bound; the message quotes the
                expression.
        """
        run = Run(stream, index, lookup)
        try:
            value = self._code(run)
            steps_before = run.steps
            run.weigh(value)
            if budget:
                weight = steps_before - run.steps
                budget.spend(MAX_STEPS - run.steps + _OF_AN_EVALUATION, weight)
            return as_plain(value)
        except ExpressionError:
            raise
        except FAILURES as error:
            if budget:
                budget.spend(MAX_STEPS - run.steps, 0)
            raise ExpressionError(self._failure(error)) from error

    def _failure(self, error: Exception) -> str:
        kind = f"{type(error).__name__}: "
        if isinstance(error, LimitError):
            kind = ""
        reason = shortened(str(error), _LONGEST_REASON)
        return f"{shortened(self.source)!r} failed: {kind}{reason}"

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        # The code is made of closures, which cannot be pickled.
        return Expression.parse, (self.source,)
