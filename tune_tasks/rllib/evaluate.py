"""`tune-tasks evaluate`: plays episodes with the policy of a checkpoint.

It runs in the calling process, on a Ray of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium

from tune_tasks.errors import UsageError
from tune_tasks.rllib.checkpoints import Checkpoint, algorithm_folder
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import algorithm_named
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.trainable import built

if TYPE_CHECKING:
    from PIL.Image import Image
    from ray.rllib.algorithms.algorithm import Algorithm
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

_PICTURES = (".gif", ".webp", ".png")
_DATA = (".parquet",)
_FRAME_MS = 33


def evaluate(
    folder: Path,
    episodes: int,
    *,
    seed: int | None = None,
    explore: bool = False,
    render: Path | None = None,
    record: Path | None = None,
) -> list[tuple[float, int]]:
    """Play episodes with the policy of a checkpoint.

    Args:
        folder: The checkpoint's.
        episodes: The number of episodes, at least 1.
        seed: The environment's.
        explore: Whether actions are drawn, as in training; else each is the policy's most likely
            one.
        render: The file for the first episode, as an animated picture.
        record: The file for all episodes, as data to learn from.

    Returns:
        The return and the length, in steps, of each.

    Raises:
        UsageError: If the folder is not a checkpoint, or a file cannot be written under its name.
    """
    check(folder, render, record)
    folder = folder.absolute()
    results: list[tuple[float, int]] = []
    recorded: list[SingleAgentEpisode] = []
    frames: list[Image] = []
    with quiet():
        settings = _settings(Checkpoint.read(folder), seed, render is not None)
        with built(settings, algorithm_folder(folder)) as algorithm:
            runner = _runner(algorithm)
            for number in range(episodes):
                is_filmed = render is not None and number == 0
                with _filming(runner.env, frames) if is_filmed else contextlib.nullcontext():
                    episode = _play(runner, explore)
                results.append((float(episode.get_return()), len(episode)))
                if record:
                    recorded.append(episode)
            bounds = _bounds(runner)
    if render:
        _write_picture(render, frames)
    if record:
        from tune_tasks.rllib.data.recording import write_recording

        write_recording(record, recorded, bounds)
    return results


def _write_picture(file: Path, frames: Sequence[Image]) -> None:
    first, *others = frames
    first.save(file, save_all=True, append_images=others, duration=_FRAME_MS, loop=0)


def check(folder: Path, render: Path | None, record: Path | None) -> None:
    """Raise UsageError for what is wrong and can be seen without starting anything."""
    checkpoint = Checkpoint.read(folder)
    if record and checkpoint.config.get("observation_filter", "NoFilter") != "NoFilter":
        raise UsageError(
            "--record: this policy sees filtered observations, from which no other could learn"
        )
    _check_file("--render", render, _PICTURES)
    _check_file("--record", record, _DATA)


def _check_file(option: str, file: Path | None, kinds: tuple[str, ...]) -> None:
    if file is None:
        return
    if file.suffix not in kinds:
        raise UsageError(
            f"{option}: expected a file that ends with one of {', '.join(kinds)}, got {str(file)!r}"
        )
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{option}: there is no folder {file.absolute().parent}")


def _settings(checkpoint: Checkpoint, seed: int | None, is_filmed: bool) -> AlgorithmConfig:
    """The trial's settings, with everything in this process."""
    settings = algorithm_config(checkpoint.alg, checkpoint.env, checkpoint.config)
    settings.env_runners(num_env_runners=0, num_envs_per_env_runner=1, create_local_env_runner=True)
    settings.learners(num_learners=0, num_gpus_per_learner=0)
    settings.evaluation(
        evaluation_interval=None,
        evaluation_num_env_runners=0,
        evaluation_parallel_to_training=False,
    )
    if algorithm_named(checkpoint.alg).learns_from_data:
        _have_it_play(settings)
    settings.debugging(seed=seed)
    settings.env_config["search_path"] = [str(Path.cwd())]  # as where the trial was started
    if is_filmed:
        _film(settings)
    return settings


def _have_it_play(settings: AlgorithmConfig) -> None:
    """Let an algorithm play that learns from data: such ones have env runners for evaluation only.

    It goes without its data, which may no longer exist.
    """
    settings.evaluation(evaluation_interval=1)
    settings.offline_data(input_="sampler")
    # None, so that RLlib takes those of the env runner's environment.
    settings.environment(observation_space=None, action_space=None)
    if hasattr(settings, "replay_buffer_config"):
        # Without data, CQL must have a buffer.
        settings.training(replay_buffer_config={"type": "EpisodeReplayBuffer"})


def _film(settings: AlgorithmConfig) -> None:
    """Make the environment one that gives pictures.

    Raises:
        UsageError: If it cannot.
    """
    from tune_tasks.rllib.envs.environments import create

    options = settings.env_config["options"]
    arguments = {**options.arguments, "render_mode": "rgb_array"}
    settings.env_config["options"] = dataclasses.replace(options, arguments=arguments)
    try:
        create(settings.env_config).close()
    except TypeError as error:
        if "render_mode" not in str(error):
            raise
        raise UsageError(
            f"--render: {settings.env_config['env']} takes no `render_mode`, as Gymnasium gives it"
        ) from error


def _runner(algorithm: Algorithm) -> Any:
    if algorithm.env_runner:
        return algorithm.env_runner
    from tune_tasks.rllib.algorithms.workers import weights

    runner = algorithm.eval_env_runner
    # private: _learner, because LearnerGroup gives its local learner in no other way.
    runner.set_state(weights(algorithm.learner_group._learner))
    return runner


def _bounds(runner: Any) -> tuple[Any, Any] | None:
    """The bounds to which actions are clipped before the environment takes them.

    They are in the policy's units.
    """
    space = runner.env.single_action_space
    if not isinstance(space, gymnasium.spaces.Box):
        return None
    if runner.config.normalize_actions:
        return -1.0, 1.0
    if runner.config.clip_actions:
        return space.low, space.high
    return None


def _play(runner: Any, explore: bool) -> SingleAgentEpisode:
    (episode,) = runner.sample(num_episodes=1, explore=explore)
    # private: _seed, because RLlib resets the environment with it before each episode, and so all
    # episodes would begin alike.
    runner._seed = None
    played: SingleAgentEpisode = episode
    return played


@contextlib.contextmanager
def _filming(env: Any, frames: list[Image]) -> Iterator[None]:
    """Take a picture of the only environment of a vector after each of its steps."""
    from PIL import Image

    step = env.step

    def step_and_take(actions: Any) -> Any:
        result = step(actions)
        frames.append(Image.fromarray(env.render()[0]))
        return result

    env.step = step_and_take
    try:
        yield
    finally:
        env.step = step
