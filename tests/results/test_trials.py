"""The trials of an experiment of which most were never started."""

import copy
import pickle

import pytest

from tests.results.samples import ERROR, PENDING, trial
from tune_tasks.results.trials import Trials


@pytest.fixture
def made():
    return []


@pytest.fixture
def trials(made):
    def make(index):
        made.append(index)
        return trial(index, PENDING)

    return Trials([trial(0), trial(2, ERROR)], range(5), make)


WHOLE = [trial(0), trial(1, PENDING), trial(2, ERROR), trial(3, PENDING), trial(4, PENDING)]


def test_they_are_a_sequence_of_all_trials(trials):
    assert len(trials) == 5
    assert list(trials) == WHOLE
    assert trials[-1] == WHOLE[-1]
    assert trials[1:4] == WHOLE[1:4]
    assert trials.index(WHOLE[3]) == 3
    with pytest.raises(IndexError):
        _ = trials[5]


def test_what_is_not_listed_is_made_when_it_is_asked_for(trials, made):
    assert (len(trials), trials[0], trials[2]) == (5, WHOLE[0], WHOLE[2])
    assert made == []
    assert trials[3] == WHOLE[3]
    assert made == [3]


def test_they_are_equal_to_a_list_of_the_same_trials(trials):
    assert trials == WHOLE
    assert list(WHOLE) == trials
    assert trials != WHOLE[:4]
    assert trials != [*WHOLE[:4], trial(4)]
    assert trials != 5


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_a_copy_is_a_list_of_all(trials, copied):
    assert copied(trials) == WHOLE
    assert type(copied(trials)) is list


def test_a_million_are_not_printed(trials):
    assert repr(trials) == "<5 trials>"


def test_indices_may_have_gaps():
    """As after an edit of the spec that has dropped trials."""

    def make(place):
        return trial([0, 2, 5, 6][place], PENDING)

    trials = Trials([trial(0), trial(5, ERROR)], [0, 2, 5, 6], make)
    assert list(trials) == [trial(0), trial(2, PENDING), trial(5, ERROR), trial(6, PENDING)]
