"""RLlib without its warnings, because each build warns of what RLlib's own defaults do."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_TALKATIVE = ("ray.rllib", "ray.tune", "ray._common.deprecation", "gymnasium")


@contextlib.contextmanager
def quiet(*, verbose: bool = False) -> Iterator[None]:
    """Log only RLlib's errors, and show no Python warning, for the time of the context.

    Args:
        verbose: Whether to change nothing instead.
    """
    if verbose:
        yield
        return
    import ray.rllib  # noqa: F401 - sets its logger's level when it is imported

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
