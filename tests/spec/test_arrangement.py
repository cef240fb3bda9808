"""Which combination each trial tries, in a new sweep and in one whose spec was edited."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.spec.arrangement import Arrangement, Kept, indices_of, place_of


def tried(arrangement, grid_size):
    return {i: arrangement.combination(i) % grid_size for i in arrangement.indices}


def test_a_new_sweep_goes_through_the_grid_in_order():
    arrangement = Arrangement(5, 3)
    assert tried(arrangement, 3) == {0: 0, 1: 1, 2: 2, 3: 0, 4: 1}
    assert arrangement.fresh == 5


def test_what_was_done_is_not_tried_again_and_no_index_is_used_twice():
    """Of a grid of four, trial 1 has tried the last; trial 0 has tried what is gone."""
    arrangement = Arrangement(4, 4, {1: Kept(3, "b")}, [0, 1])
    assert tried(arrangement, 4) == {1: 3, 2: 0, 3: 1, 4: 2}
    assert arrangement.fresh == 3


def test_what_was_done_more_often_than_asked_for_is_kept():
    arrangement = Arrangement(2, 2, {i: Kept(0, "") for i in range(3)}, range(3))
    assert tried(arrangement, 2) == {0: 0, 1: 0, 2: 0, 3: 1}


def test_a_million_trials_are_not_a_million_objects():
    arrangement = Arrangement(1_000_000, 1_000_000, {7: Kept(7, "")}, [0, 7])
    assert len(arrangement.indices) == 1_000_000
    assert arrangement.indices[-1] == 1_000_000
    assert arrangement.combination(1_000_000) == 999_999
    assert place_of(7, arrangement.indices) == 6
    assert place_of(0, arrangement.indices) is None


@st.composite
def edits(draw):
    count, grid_size = draw(st.integers(1, 20)), draw(st.integers(1, 8))
    taken = draw(st.sets(st.integers(0, 25)))
    indices = draw(st.sets(st.sampled_from(sorted(taken)))) if taken else set()
    combinations = {i: draw(st.integers(0, grid_size - 1)) for i in sorted(indices)}
    return count, grid_size, combinations, taken


@given(edits())
def test_everything_that_is_asked_for_is_tried_or_was_done(edit):
    count, grid_size, combinations, taken = edit
    kept = {i: Kept(combination, "") for i, combination in combinations.items()}
    arrangement = Arrangement(count, grid_size, kept, taken)
    all_tried = tried(arrangement, grid_size)
    asked = Counter(i % grid_size for i in range(count))
    done = Counter(combinations.values())
    assert Counter(all_tried.values()) == {c: max(asked[c], done[c]) for c in {*asked, *done}}
    assert {i: c for i, c in all_tried.items() if i in taken} == combinations
    assert len(all_tried) - len(kept) == arrangement.fresh
    assert list(all_tried) == sorted(all_tried)


@given(edits())
def test_the_indices_are_known_from_what_has_begun(edit):
    """The journal has what began, what was dropped, and how many trials there are."""
    count, grid_size, combinations, taken = edit
    kept = {i: Kept(combination, "") for i, combination in combinations.items()}
    indices = Arrangement(count, grid_size, kept, taken).indices
    dropped = taken - kept.keys()
    assert list(indices_of(len(indices), taken, dropped)) == list(indices)
    begun = {*taken, *indices[: count // 2]}
    assert list(indices_of(len(indices), begun, dropped)) == list(indices)


@given(edits(), st.integers(0, 60))
def test_an_index_is_found_where_it_is(edit, index):
    count, grid_size, combinations, taken = edit
    kept = {i: Kept(combination, "") for i, combination in combinations.items()}
    indices = Arrangement(count, grid_size, kept, taken).indices
    everything = list(indices)
    assert indices[:] == everything or indices == range(count)
    expected = everything.index(index) if index in everything else None
    assert place_of(index, indices) == expected
