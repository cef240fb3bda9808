"""The time limits whose relations matter, in seconds: who waits how long for whom.

`tests/model/test_timeouts.py` holds the relations. A limit that stands alone, such as the pause of
one loop, stays where it is used.
"""

from __future__ import annotations

# ── A trial's process and the recorder ─────

HEARTBEAT_S = 1.0
"""A monitor speaks to the recorder at least this often."""

MLFLOW_REQUEST_S = 20.0
"""One request of the recorder waits this long for MLflow."""

CONNECT_S = 60.0
"""The recorder holds a new trial back this long for MLflow to be imported, and a store made."""

OPEN_S = 10.0
"""It holds one back this long for MLflow's answers: once, and then none until MLflow answers."""

OPEN_LOCAL_S = 30.0
"""The same for a store in a file, which is never away, but may share its disk with others."""

OPEN_CALL_S = 110.0
"""A new trial waits this long for the recorder."""

TRIAL_CALL_S = 15.0
"""A monitor waits this long for the recorder's answer to anything else."""

MILESTONE_S = 5.0
"""A report that reaches a milestone waits this long to be judged, then the trial goes on."""

ANSWER_S = 1.0
"""The recorder keeps such a report's heartbeat this long for the driver's answer."""

LAST_BYTES_S = 15.0
"""A trial that has ended tries this long to send the recorder its last reports."""

LAST_FILES_S = 60.0
"""A trial that has ended by itself tries this long to send what it has left, checkpoints first."""

LAST_FILES_CANCELLED_S = 8.0
"""The same for one that the sweep has ended: the driver waits for it."""

DEPOT_AWAY_S = 60.0
"""A trial that goes on waits this long for who has its checkpoint, then begins anew."""

LOG_FLUSH_S = 5.0
"""A trial that has ended waits this long for Prefect to take its last lines; it is silent then."""

STOP_GRACE_S = 10.0
"""A trial that is to end has this long, unless its experiment says otherwise."""

WORKERS_CLOSE_S = 3.0
"""An RLlib trial that ends gives its workers' environments this long to close."""

# ── The driver and the recorder ─────

ASK_S = 0.5
"""The driver asks the recorder for news this often."""

DRIVER_CALL_S = 10.0
"""The driver waits this long for an answer that it needs."""

SILENCE_S = 6.0
"""The driver takes an attempt, or the recorder, for silent after this long without a word."""

# ── The end of a sweep ─────

PATIENCE_S = 30.0
"""The driver waits this long for a tracker that takes nothing any more."""

LEAST_PATIENCE_S = 1.0
"""The driver waits at least this long, however soon its process is killed."""

LONGEST_BACKOFF_S = 15.0
"""The recorder leaves a tracker that fails alone for at most this long."""

DRAIN_S = 0.5
"""The recorder waits this long for busy trackers before it answers the driver's `drain`."""

SETTLE_S = 5.0
"""The driver waits this long for Prefect to have the ends of the task runs."""

LAST_VIEW_S = 10.0
"""The driver waits this long for Prefect to take the last leaderboard."""

# ── A run that Prefect cancels ─────

PREFECT_KILLS_S = 30.0
"""A worker or runner of Prefect's waits this long between SIGTERM and SIGKILL."""

SUPERVISED_GRACE_S = 15.0
"""The trials of such a run have at most this long, whatever their own grace."""

CLOSE_MARGIN_S = 3.0
"""The driver stops to wait for trackers this long before the SIGKILL."""

# ── Prefect's server ─────

PREFECT_REQUEST_S = 10.0
"""One request at the start waits this long for a configured server."""

CONFIGURED_SERVER_S = 30.0
"""A configured server that does not answer is tried for this long."""

TASK_RUNS_WRITTEN_S = 1.0
"""Our server writes the states of task runs to its database this often (Prefect: whole seconds)."""

TASK_RUNS_READ_S = 1.5
"""The driver waits this long before it looks whether the server has such a state."""

SERVER_EXIT_S = 10.0
"""Our server gives itself this long to end, then ends at once."""

SERVER_LOOK_S = 1.0
"""A sweep looks this often whether our server lives."""

SERVER_GONE_S = 15.0
"""The next sweep waits this long for a server that is ending."""
