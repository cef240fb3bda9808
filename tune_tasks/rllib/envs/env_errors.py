"""An environment's own error, on its way from an env runner's process to the trial.

RLlib 2.60 ends an env runner whose environment has raised, and says only that the process has died.
The error is therefore kept in a file, which the trial reads if both processes are on one machine.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium

from tune_tasks.rllib.envs.env_check import wrong_shape


class KeepsErrors(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Writes what the environment raises into a folder. Lives in an env runner's process."""

    def __init__(self, env: gymnasium.Env[Any, Any], folder: str) -> None:
        super().__init__(env)
        self._folder = folder
        self._shape = env.observation_space.shape or ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See Gymnasium."""
        with errors_kept(self._folder):
            return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """See Gymnasium."""
        # Not `errors_kept`: to enter a context at every step costs as much as the rest of this.
        try:
            result = self.env.step(action)
            self._check_shape(result[0])
        except Exception as exc:
            _keep(exc, self._folder)
            raise
        return result

    def _check_shape(self, observation: Any) -> None:
        """Name the observation, because RLlib would say that some array has the wrong shape."""
        observed = getattr(observation, "shape", self._shape)
        if observed != self._shape:
            raise ValueError(wrong_shape(observed, self._shape))


@contextlib.contextmanager
def errors_kept(folder: str) -> Iterator[None]:
    """Write the traceback of what the context raises into the folder, and raise it."""
    try:
        yield
    except Exception as exc:
        _keep(exc, folder)
        raise


def _keep(exc: Exception, folder: str) -> None:
    text = "".join(traceback.format_exception(exc))
    with contextlib.suppress(OSError):  # because another machine has no such folder
        Path(folder, f"{os.getpid()}.txt").write_text(text, encoding="utf-8")


def first_error(folder: str) -> str | None:
    """The traceback of the environment that failed first; None if none did."""
    files = sorted(Path(folder).glob("*.txt"), key=lambda path: path.stat().st_mtime)
    if not files:
        return None
    return files[0].read_text(encoding="utf-8").strip()
