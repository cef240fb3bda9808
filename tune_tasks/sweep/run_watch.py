"""What is asked of a sweep in Prefect, by its flow run's state: Pause and Cancel.

While a run is paused no further trial starts, and those that run go on to their ends. For Cancel, a
deployment's run also gets a signal of its worker or runner; nobody sends one to other runs.
"""

from __future__ import annotations

import logging
import threading
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from tune_tasks.sweep.events import Pause

logger = logging.getLogger(__name__)

_LOOK_S = 3.0


class RunWatch:
    """Looks at the flow run's state now and then, in a thread of its own. Lives in the driver.

    Args:
        flow_run_id: The flow run; empty if there is none, and then nothing is looked at.

    Attributes:
        suspended: The state of the run if it was paused on its page, None before. It stays, because
            Resume starts another process: this one is to end once its trials have ended.
    """

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = flow_run_id
        self._state: State[Any] | None = None
        self.suspended: State[Any] | None = None
        self._ended = threading.Event()
        if flow_run_id:
            threading.Thread(target=self._watch, name="run watch", daemon=True).start()

    @property
    def pause(self) -> Pause:
        """Whether trials may start now."""
        if self.suspended is not None:
            return Pause.SUSPENDED
        if self._state and self._state.is_paused():
            return Pause.ON
        return Pause.OFF

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled the run."""
        state = self._state
        return state is not None and (state.is_cancelling() or state.is_cancelled())

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            try:
                with get_client(sync_client=True) as client:
                    self._heed(client.read_flow_run(UUID(self._flow_run_id)).state)
            except Exception as exc:  # noqa: BLE001 - a Prefect that is away asks for nothing
                logger.debug("the flow run's state cannot be read: %s", exc)

    def _heed(self, state: State[Any] | None) -> None:
        self._state = state
        if state and state.is_paused() and state.state_details.pause_reschedule:
            self.suspended = self.suspended or state
