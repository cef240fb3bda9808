import pytest

from tune_tasks.model.trial_key import experiment_of, index_of, key_of


@pytest.mark.parametrize("experiment", ["mnist", "vision/mnist", "a b", ""])
def test_a_key_has_an_experiment_and_an_index(experiment):
    key = key_of(experiment, 12)
    assert (experiment_of(key), index_of(key)) == (experiment, 12)
