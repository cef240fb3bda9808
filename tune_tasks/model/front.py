"""The front of several objectives, and its knee. Pure.

A point is dominated if another one is at least as good in every objective, and better in one. The
front is what is not dominated: there is no gain in one objective without a loss in another.

The knee is the point of the front that is nearest to the ideal one, which has the best of each
objective; each is measured from its best (0) to its worst (1) on the front (compromise programming:
Yu 1973, Zeleny 1973). So no weights are needed, and it does not matter in which unit an objective
is. Of points that are equally near the first is the knee.

Of every coordinate less is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, ...]


def front_of(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that are not dominated, in order.

    Of more than two objectives that takes a time that grows with the number of points times that of
    the front's.

    Args:
        points: Their coordinates, all finite.
    """
    found: list[int] = []
    # What dominates a point is before it in this order.
    for place in sorted(range(len(points)), key=points.__getitem__):
        point = points[place]
        # Of one or two coordinates, the last one found has the least last one.
        rivals = found[-1:] if len(point) <= 2 else found
        if not any(_dominates(points[other], point) for other in rivals):
            found.append(place)
    return sorted(found)


def best_first(points: Sequence[Point]) -> list[int]:
    """Return the places of all points: the knee, the rest of the front, and what is dominated.

    Each of these two is in the order of the distance to the ideal point; so the first of all is the
    knee.

    Args:
        points: Their coordinates, all finite.
    """
    if not points:
        return []
    front = front_of(points)
    is_on_front = set(front)
    of_front = _columns([points[place] for place in front])
    ranges = list(map(_range, of_front, _columns(points)))

    def order(place: int) -> tuple[bool, float, int]:
        shares = map(_share, points[place], ranges)
        return place not in is_on_front, math.hypot(*shares), place

    return sorted(range(len(points)), key=order)


def _dominates(one: Point, other: Point) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _columns(points: Sequence[Point]) -> list[Point]:
    return list(zip(*points, strict=True))


def _range(front: Point, everything: Point) -> tuple[float, float]:
    """Return the best value, and the worst of the front, or of all points if the front has one."""
    worst = max(front)
    return min(front), worst if worst > min(front) else max(everything)


def _share(value: float, limits: tuple[float, float]) -> float:
    """Return where a value is between the best (0) and the worst (1)."""
    best, worst = limits
    half = worst / 2 - best / 2  # the whole of it may be more than a float holds
    return (value / 2 - best / 2) / half if half else 0.0
