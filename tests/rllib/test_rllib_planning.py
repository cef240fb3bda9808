"""An experiment of RLlib's is checked before anything starts, beyond its config."""

import json

import pytest

from tune_tasks.errors import SpecError
from tune_tasks.plan import make_plan
from tune_tasks.rllib.planning import METRICS
from tune_tasks.spec import load_spec


def test_a_criterion_names_what_rllibs_trials_report(tmp_path):
    def plan(stop):
        experiment = {"alg": "PPO", "env": "CartPole-v1", "stop": stop, "config": {"num_workers": 0}}
        (tmp_path / "spec.json").write_text(json.dumps({"e": experiment}))
        return make_plan(load_spec(tmp_path / "spec.json"), seed=0)

    assert list(plan({**dict.fromkeys(METRICS, 1), "learner/policy_loss": 1, "evaluation/episode_reward_mean": 1}).trials())
    said = r"e\.stop\.episode_reward_mena: no trial of PPO reports it; did you mean 'episode_reward_mean'\?"
    with pytest.raises(SpecError, match=said):
        plan({"episode_reward_mena": 1})
