"""The table of where trials were stopped early."""

from tune_tasks.results.early_stops import EndedRun, StopsAt, early_stops


def runs(stopped, finished):
    early = [EndedRun(at, is_stopped=True) for at in stopped]
    return early + [EndedRun(at, is_stopped=False) for at in finished]


def test_a_row_for_each_rung():
    assert early_stops(runs([1, 1, 1, 3, 9, 1], [2, 27, 27])) == [
        StopsAt(1, 1, reached=9, stopped=4),
        StopsAt(3, 3, reached=4, stopped=1),
        StopsAt(9, 9, reached=3, stopped=1),
    ]


def test_nothing_if_none_was_stopped():
    assert early_stops(runs([], [5, 5])) == []


def test_many_places_are_put_together():
    rows = early_stops(runs(range(1, 101), [200] * 10))
    assert [(row.where, row.stopped) for row in rows] == [
        ("1", 1),
        ("2 to 3", 2),
        ("4 to 7", 4),
        ("8 to 15", 8),
        ("16 to 31", 16),
        ("32 to 63", 32),
        ("64 to 100", 37),
    ]
    assert [row.reached for row in rows[:2]] == [110, 109]
