"""The values of a domain at even positions: what tests compare with another tool's."""

from bisect import bisect_right

from tune_tasks.spec.domains import DOMAINS

COUNT = 2_000
POSITIONS = [(i + 0.5) / COUNT for i in range(COUNT)]


def quantiles(domain):
    """The values of a domain, `{"uniform": [0, 1]}`, at the positions."""
    ((name, given),) = domain.items()
    kind = DOMAINS[name]
    assert kind.problem(given) == ""
    scale = kind.scale(*given)
    return [kind.value(scale.nearest(scale.at(position)), *given) for position in POSITIONS]


def distance(some, others):
    """How far two distributions are apart: the greatest difference of their shares below a value."""
    some, others = sorted(some), sorted(others)
    ends = sorted({*some, *others})
    return max(abs(_share(some, end) - _share(others, end)) for end in ends)


def _share(values, end):
    return bisect_right(values, end + 1e-9 * abs(end)) / len(values)
