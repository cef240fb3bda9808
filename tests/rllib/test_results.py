"""RLlib's result dicts as TrainingResults."""

import numpy as np

from tune_tasks.rllib.results import EPISODES, RecentEpisodes, training_result


def rllib_result(episodes=(), steps=400.0, learners=None):
    return {
        "num_env_steps_sampled_lifetime": steps,
        "env_runners": {EPISODES: list(episodes), "episode_return_mean": 99.0},
        "learners": {"default_policy": {"policy_loss": np.float64(0.5)}}
        if learners is None
        else learners,
    }


def test_the_fields():
    result = training_result(rllib_result([(10.0, 10), (30.0, 20)]), RecentEpisodes())
    assert (result.timesteps_total, result.episodes_total) == (400, 2)
    assert (result.episode_reward_mean, result.episode_len_mean) == (20.0, 15.0)
    assert result.info == {
        "episode_reward_min": 10.0,
        "episode_reward_max": 30.0,
        "learner": {"policy_loss": 0.5},
    }
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
    assert (counted.episodes_total, counted.episode_reward_mean, counted.episode_len_mean) == (
        1,
        -17.0,
        1180.0,
    )


def test_what_an_evaluation_has_measured():
    played = {
        "episode_return_mean": 20.0,
        "episode_return_max": float("nan"),
        EPISODES: float("nan"),
    }
    result = training_result(
        {**rllib_result(), "evaluation": {"env_runners": played}}, RecentEpisodes()
    )
    assert result.info["evaluation"] == {"episode_reward_mean": 20.0}
    assert "evaluation" not in training_result(rllib_result(), RecentEpisodes()).info


def test_before_the_first_episode_has_ended_there_is_no_mean():
    result = training_result(rllib_result(), RecentEpisodes())
    assert (result.episode_reward_mean, result.episodes_total, result.timesteps_total) == (
        None,
        0,
        400,
    )


def test_several_modules_keep_their_names_and_statistics_that_are_none_are_left_out():
    learners = {
        "__all_modules__": {"num_env_steps_trained_lifetime": 7},
        "a": {"policy_loss": 1.0, "num_trainable_parameters": float("nan")},
        "b": {"policy_loss": 2.0},
    }
    result = training_result(rllib_result(learners=learners), RecentEpisodes())
    assert result.info["learner"] == {"a": {"policy_loss": 1.0}, "b": {"policy_loss": 2.0}}


def test_what_an_algorithm_on_data_has_trained_on_and_played_in_its_evaluation():
    learners = {"__all_modules__": {"num_env_steps_trained_lifetime": 2000}, "default_policy": {}}
    result, episodes = rllib_result(steps=1, learners=learners), RecentEpisodes()
    assert training_result(result, episodes, on_data=True).timesteps_total == 2000
    assert training_result(result, episodes, on_data=True).episodes_total is None
    played = {"episode_return_mean": 20.0, EPISODES: [(15.0, 15), (25.0, 25)]}
    reported = training_result(
        {**result, "evaluation": {"env_runners": played}}, episodes, on_data=True
    )
    assert (reported.episode_reward_mean, reported.episodes_total) == (20.0, 2)
    repeated = {**result, "evaluation": {"env_runners": {EPISODES: [(99.0, 99)]}}}
    assert training_result(repeated, episodes, on_data=True, evaluated=False).episodes_total == 2
    none = training_result(
        {**result, "evaluation": {"env_runners": {EPISODES: float("nan")}}}, episodes, on_data=True
    )
    assert (none.episode_reward_mean, none.episodes_total) == (20.0, 2)
