"""RLlib without its warnings: at every build it warns of what its own defaults do."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_TALKATIVE = ("ray.rllib", "ray.tune", "ray._common.deprecation", "gymnasium")


@contextlib.contextmanager
def quiet(*, verbose: bool = False) -> Iterator[None]:
    """For the time of the context only RLlib's errors are logged, and no Python warning is shown.

    `verbose` changes nothing.
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
