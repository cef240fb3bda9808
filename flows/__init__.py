"""The Prefect flows, which deployments run. Installed as `tune_tasks.flows`.

docs/architecture.md says why they are not in that folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect import Flow

    from tune_tasks.sweep.request import Request


def as_tune(request: Request) -> tuple[Flow[..., Any], dict[str, Any]]:
    """Return the flow `tune` and its parameters for a request; imports Prefect."""
    from tune_tasks.flows.tune import tune

    return tune, request.parameters()


def as_train(request: Request) -> tuple[Flow[..., Any], dict[str, Any]]:
    """Return the flow `train` and its parameters for a request; imports Prefect.

    The request has one experiment, or a spec file.
    """
    from tune_tasks.flows.train import train

    return train, request.train_parameters()
