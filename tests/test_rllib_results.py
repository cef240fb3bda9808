"""RLlib's result dicts as TrainingResults."""

import numpy as np
import pytest

from tune_tasks.rllib.results import EPISODES, RecentEpisodes, training_result


def rllib_result(episodes=(), steps=400.0, learners=None):
    return {
        "num_env_steps_sampled_lifetime": steps,
        "env_runners": {EPISODES: list(episodes), "episode_return_mean": 99.0},
        "learners": {"default_policy": {"policy_loss": np.float64(0.5)}} if learners is None else learners,
    }


def test_the_fields():
    result = training_result(rllib_result([(10.0, 10), (30.0, 20)]), RecentEpisodes())
    assert (result.timesteps_total, result.episodes_total) == (400, 2)
    assert (result.episode_reward_mean, result.episode_len_mean) == (20.0, 15.0)
    assert result.info == {"episode_reward_min": 10.0, "episode_reward_max": 30.0, "learner": {"policy_loss": 0.5}}
    assert type(result.info["learner"]["policy_loss"]) is float


def test_the_mean_is_that_of_the_last_hundred_episodes():
    episodes = RecentEpisodes()
    training_result(rllib_result([(0.0, 1)] * 150), episodes)
    one_lucky_episode = training_result(rllib_result([(200.0, 200)]), episodes)
    assert one_lucky_episode.episode_reward_mean == 2.0
    none_ended = training_result(rllib_result(), episodes)
    assert (none_ended.episode_reward_mean, none_ended.episodes_total) == (2.0, 151)


def test_an_iteration_in_which_one_episode_ended():
    result = rllib_result()
    result["env_runners"][EPISODES] = (-17.0, 1180)  # as RLlib gives a series of one item
    counted = training_result(result, RecentEpisodes())
    assert (counted.episodes_total, counted.episode_reward_mean, counted.episode_len_mean) == (1, -17.0, 1180.0)


def test_what_an_evaluation_has_measured():
    played = {"episode_return_mean": 20.0, "episode_return_max": float("nan"), EPISODES: float("nan")}
    result = training_result({**rllib_result(), "evaluation": {"env_runners": played}}, RecentEpisodes())
    assert result.info["evaluation"] == {"episode_reward_mean": 20.0}
    assert "evaluation" not in training_result(rllib_result(), RecentEpisodes()).info


def test_before_the_first_episode_has_ended_there_is_no_mean():
    result = training_result(rllib_result(), RecentEpisodes())
    assert (result.episode_reward_mean, result.episodes_total, result.timesteps_total) == (None, 0, 400)


def test_several_modules_keep_their_names_and_statistics_that_are_none_are_left_out():
    learners = {
        "__all_modules__": {"num_env_steps_trained_lifetime": 7},
        "a": {"policy_loss": 1.0, "num_trainable_parameters": float("nan")},
        "b": {"policy_loss": 2.0},
    }
    result = training_result(rllib_result(learners=learners), RecentEpisodes())
    assert result.info["learner"] == {"a": {"policy_loss": 1.0}, "b": {"policy_loss": 2.0}}


@pytest.mark.parametrize("sampled", [None, 0])
def test_an_offline_algorithm_counts_what_it_has_trained_on(sampled):
    learners = {"__all_modules__": {"num_env_steps_trained_lifetime": 2000}, "default_policy": {}}
    assert training_result(rllib_result(steps=sampled, learners=learners), RecentEpisodes()).timesteps_total == 2000
