"""The driver's Prefect tasks: `parse_spec` and `summarize`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from tune_tasks.errors import BadInputError
from tune_tasks.model.text import showable
from tune_tasks.results.summary import Summary
from tune_tasks.results.words import report_lines
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.run_view import publish_report


@task(name="parse_spec", cache_policy=NO_CACHE)
def parse_spec(make_plan: Callable[[], Plan]) -> Plan | State[Any]:
    """Check the spec and resolve every trial. Runs in the driver.

    Args:
        make_plan: Gives the plan. It is a function because Prefect searches a task's arguments for
            futures: of a plan, every value of the spec.

    Raises:
        BadInputError: If anything in the spec is wrong.
    """
    try:
        return make_plan()
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
