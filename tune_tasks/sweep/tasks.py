"""The driver's Prefect tasks: `parse_spec` and `summarize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from tune_tasks.errors import BadInputError
from tune_tasks.model.text import showable
from tune_tasks.results.summary import Summary, report_lines
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.request import Request
from tune_tasks.sweep.run_view import publish_report
from tune_tasks.trial.trainable import TrainFunction


@task(name="parse_spec", cache_policy=NO_CACHE)
def parse_spec(
    request: Request, callables: Mapping[str, TrainFunction], drawn_seed: int
) -> Plan | State[Any]:
    """Check the spec and resolve every trial. Runs in the driver.

    Args:
        request: What was asked for.
        callables: Functions by experiment name.
        drawn_seed: For the experiments that have no seed of their own.

    Raises:
        BadInputError: If anything in the spec is wrong.
    """
    try:
        return request.plan(callables, drawn_seed)
    except BadInputError as exc:
        # Returned and not raised: it is the user's mistake, and needs no traceback of ours.
        return Failed(message=showable(str(exc)), data=exc)


@task(name="summarize", cache_policy=NO_CACHE)
def summarize(summary: Summary) -> str:
    """Log what the sweep came to and show its report; returns the text. Runs in the driver."""
    publish_report(summary)
    text = "\n".join(report_lines(summary))
    get_run_logger().info("%s\n%s", summary.one_line(), text)
    return text
