"""`tune-tasks evaluate`: plays episodes with the policy of a checkpoint.

Runs in the calling process, on a Ray of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
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
        episodes: How many, >= 1.
        seed: Of the environment.
        explore: Whether actions are drawn, as in training; else each is the policy's most likely
            one.
        render: Where to write the first episode as an animated picture.
        record: Where to write all episodes as data to learn from.

    Returns:
        The return and the length, in steps, of each.

    Raises:
        UsageError: If the folder is no checkpoint, or a file cannot be written as it is called.
    """
    check(folder, render, record)
    folder = folder.absolute()
    recorded: list[SingleAgentEpisode] = []
    played: list[tuple[float, int]] = []
    with quiet():
        settings = _settings(Checkpoint.read(folder), seed, render is not None)
        with built(settings, algorithm_folder(folder)) as algorithm:
            runner = _runner(algorithm)
            frames: list[Image] = []
            for number in range(episodes):
                with (
                    _filming(runner.env, frames)
                    if render and not number
                    else contextlib.nullcontext()
                ):
                    episode = _play(runner, explore)
                played.append((float(episode.get_return()), len(episode)))
                recorded += [episode] if record else []
            bounds = _bounds(runner)
    if render:
        frames[0].save(render, save_all=True, append_images=frames[1:], duration=_FRAME_MS, loop=0)
    if record:
        from tune_tasks.rllib.data.recording import write_recording

        write_recording(record, recorded, bounds)
    return played


def check(folder: Path, render: Path | None, record: Path | None) -> None:
    """Raise UsageError for what can be seen to be wrong without starting anything."""
    checkpoint = Checkpoint.read(folder)
    if record and checkpoint.config.get("observation_filter", "NoFilter") != "NoFilter":
        raise UsageError(
            "--record: this policy sees filtered observations, from which no other could learn"
        )
    for option, file, kinds in (("--render", render, _PICTURES), ("--record", record, _DATA)):
        if file and file.suffix not in kinds:
            raise UsageError(
                f"{option}: expected a file that ends with one of {', '.join(kinds)}, got"
                f" {str(file)!r}"
            )
        if file and not file.absolute().parent.is_dir():
            raise UsageError(f"{option}: there is no folder {file.absolute().parent}")


def _settings(checkpoint: Checkpoint, seed: int | None, is_filmed: bool) -> AlgorithmConfig:
    """The trial's, with everything in this process."""
    settings = algorithm_config(checkpoint.alg, checkpoint.env, checkpoint.config)
    settings.env_runners(num_env_runners=0, num_envs_per_env_runner=1, create_local_env_runner=True)
    settings.learners(num_learners=0, num_gpus_per_learner=0)
    settings.evaluation(
        evaluation_interval=None,
        evaluation_num_env_runners=0,
        evaluation_parallel_to_training=False,
    )
    # Offline algorithms have env runners only for evaluation, and the data may no longer exist.
    if algorithm_named(checkpoint.alg).learns_from_data:
        settings.evaluation(evaluation_interval=1)
        settings.offline_data(input_="sampler")
        # The player's are its environment's
        settings.environment(observation_space=None, action_space=None)
        if hasattr(settings, "replay_buffer_config"):
            # Without data, CQL must have a buffer.
            settings.training(replay_buffer_config={"type": "EpisodeReplayBuffer"})
    settings.debugging(seed=seed)
    settings.env_config["search_path"] = [str(Path.cwd())]  # as where the trial was started
    if is_filmed:
        options = settings.env_config["options"]
        arguments = {**options.arguments, "render_mode": "rgb_array"}
        settings.env_config["options"] = dataclasses.replace(options, arguments=arguments)
        _try_filmed(settings)
    return settings


def _try_filmed(settings: AlgorithmConfig) -> None:
    from tune_tasks.rllib.envs.environments import create

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
    runner.set_state(weights(algorithm.learner_group._learner))
    return runner


def _bounds(runner: Any) -> tuple[Any, Any] | None:
    """Between which actions are clipped before the environment takes them.

    In the policy's units.
    """
    space = runner.env.single_action_space
    if not isinstance(space, gymnasium.spaces.Box):
        return None
    if runner.config.normalize_actions:
        return -1.0, 1.0
    return (space.low, space.high) if runner.config.clip_actions else None


def _play(runner: Any, explore: bool) -> SingleAgentEpisode:
    (episode,) = runner.sample(num_episodes=1, explore=explore)
    runner._seed = None  # or RLlib would begin each episode alike
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
