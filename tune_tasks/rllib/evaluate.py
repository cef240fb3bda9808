"""`tune-tasks evaluate`: plays episodes with the policy of a checkpoint. Runs in the calling process, on a Ray of its own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import UsageError
from tune_tasks.rllib.checkpoints import Checkpoint, algorithm_folder
from tune_tasks.rllib.config_keys import algorithm_config
from tune_tasks.rllib.quiet import quiet
from tune_tasks.rllib.trainable import built

if TYPE_CHECKING:
    from PIL.Image import Image
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_PICTURES = (".gif", ".webp", ".png")
_FRAME_MS = 33


def evaluate(folder: Path, episodes: int, *, seed: int | None = None, render: Path | None = None) -> list[tuple[float, int]]:
    """Play episodes, each action the policy's most likely one.

    Args:
        folder: The checkpoint's.
        episodes: How many, >= 1.
        seed: Of the environment.
        render: Where to write the first episode as an animated picture.

    Returns:
        The return and the length, in steps, of each.

    Raises:
        UsageError: If the folder is no checkpoint, or the picture's kind is none that can be written.
    """
    check(folder, render)
    with quiet():
        settings = _settings(Checkpoint.read(folder), seed, render is not None)
        with built(settings, algorithm_folder(folder)) as algorithm:
            runner = algorithm.env_runner
            frames: list[Image] = []
            with _filming(runner.env, frames) if render else contextlib.nullcontext():
                played = [_play(runner)]
            played += [_play(runner) for _ in range(episodes - 1)]
    if render:
        frames[0].save(render, save_all=True, append_images=frames[1:], duration=_FRAME_MS, loop=0)
    return played


def check(folder: Path, render: Path | None) -> None:
    """Raise UsageError for what can be seen to be wrong without starting anything."""
    Checkpoint.read(folder)
    if render and render.suffix not in _PICTURES:
        raise UsageError(f"--render: expected a file that ends with one of {', '.join(_PICTURES)}, got {str(render)!r}")


def _settings(checkpoint: Checkpoint, seed: int | None, is_filmed: bool) -> AlgorithmConfig:
    """The trial's, with everything in this process."""
    settings = algorithm_config(checkpoint.alg, checkpoint.env, checkpoint.config)
    settings.env_runners(num_env_runners=0, num_envs_per_env_runner=1, create_local_env_runner=True)
    settings.learners(num_learners=0, num_gpus_per_learner=0)
    settings.evaluation(evaluation_interval=None, evaluation_num_env_runners=0)
    settings.debugging(seed=seed)
    if is_filmed:
        options = settings.env_config["options"]
        arguments = {**options.arguments, "render_mode": "rgb_array"}
        settings.env_config["options"] = dataclasses.replace(options, arguments=arguments)
    return settings


def _play(runner: Any) -> tuple[float, int]:
    (episode,) = runner.sample(num_episodes=1, explore=False)
    runner._seed = None  # or RLlib would begin each episode alike
    return float(episode.get_return()), len(episode)


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
