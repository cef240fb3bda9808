"""What RLlib's own checks say, and at which key."""

import pytest

from tests.rllib.config.configs import check_refused, refused
from tune_tasks.rllib.config.catalog import algorithm_named

pytestmark = pytest.mark.rllib


WRONG = [
    ("PPO", {"sgd_batchsize": 8_000}, "config.sgd_batchsize: `minibatch_size` (8000) must be <="),
    (
        "PPO",
        {"min_steps_per_task": 1_000, "num_workers": 5},
        "config.min_steps_per_task: Your desired",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)


def test_whatever_rllibs_own_checks_raise_is_a_sentence_at_the_key_to_blame(monkeypatch):
    config = algorithm_named("PPO").config_class()

    def validate(self):
        if self.gamma == 0.5:
            raise TypeError("'int' object is not subscriptable")

    monkeypatch.setattr(config, "validate", validate)
    said = "config.gamma: RLlib cannot take it (TypeError: 'int' object is not subscriptable)"
    assert refused("PPO", {"lr": 1e-3, "gamma": 0.5}) == (said, ("gamma",))
