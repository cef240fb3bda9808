"""The relations between the time limits: each test says what would go wrong."""

from tune_tasks.model.timeouts import (
    ANSWER_S,
    ASK_S,
    CLOSE_MARGIN_S,
    CONFIGURED_SERVER_S,
    CONNECT_S,
    DEPOT_AWAY_S,
    DRAIN_S,
    DRIVER_CALL_S,
    HEARTBEAT_S,
    LAST_BYTES_S,
    LAST_FILES_CANCELLED_S,
    LAST_VIEW_S,
    LEAST_PATIENCE_S,
    LOG_FLUSH_S,
    LONGEST_BACKOFF_S,
    MILESTONE_S,
    MLFLOW_REQUEST_S,
    OPEN_CALL_S,
    OPEN_LOCAL_S,
    OPEN_S,
    PATIENCE_S,
    PREFECT_KILLS_S,
    PREFECT_REQUEST_S,
    SERVER_EXIT_S,
    SERVER_GONE_S,
    SETTLE_S,
    SILENCE_S,
    STOP_GRACE_S,
    SUPERVISED_GRACE_S,
    TASK_RUNS_READ_S,
    TASK_RUNS_WRITTEN_S,
    TRIAL_CALL_S,
    WORKERS_CLOSE_S,
)


def test_a_report_is_judged_before_its_trial_goes_on_without():
    assert 2 * (ANSWER_S + ASK_S + HEARTBEAT_S) <= MILESTONE_S
    assert ANSWER_S < TRIAL_CALL_S


def test_a_trial_that_is_well_is_not_taken_for_silent():
    heard_every_s = HEARTBEAT_S + ASK_S
    assert 3 * heard_every_s < SILENCE_S


def test_a_trial_whose_last_lines_are_on_the_way_is_not_taken_for_silent():
    assert LOG_FLUSH_S < SILENCE_S


def test_a_new_trial_hears_from_the_recorder_that_mlflow_is_away():
    assert OPEN_S < MLFLOW_REQUEST_S  # it does not wait for a request that hangs
    assert CONNECT_S + max(OPEN_S, OPEN_LOCAL_S) + TRIAL_CALL_S <= OPEN_CALL_S


def test_the_last_bytes_have_a_second_try():
    assert TRIAL_CALL_S <= LAST_BYTES_S


def test_the_driver_waits_for_the_files_of_a_trial_that_it_has_ended():
    assert LAST_FILES_CANCELLED_S < SUPERVISED_GRACE_S


def test_an_attempt_that_asks_for_its_checkpoint_asks_more_than_once():
    assert 2 * TRIAL_CALL_S < DEPOT_AWAY_S


def test_a_silent_recorder_is_noticed_while_the_driver_waits_for_it():
    assert SILENCE_S < DRIVER_CALL_S < PATIENCE_S


def test_a_tracker_that_comes_back_is_tried_again_before_it_is_given_up():
    assert LONGEST_BACKOFF_S + DRAIN_S < PATIENCE_S


def test_an_answer_to_drain_comes_before_the_driver_gives_it_up():
    assert DRAIN_S < LEAST_PATIENCE_S <= PATIENCE_S


def test_the_environments_of_a_stopped_trial_close_within_its_grace():
    assert WORKERS_CLOSE_S < STOP_GRACE_S


def test_a_cancelled_run_has_its_records_closed_before_prefect_kills_it():
    assert STOP_GRACE_S <= SUPERVISED_GRACE_S
    assert SUPERVISED_GRACE_S + SETTLE_S + DRAIN_S + CLOSE_MARGIN_S < PREFECT_KILLS_S
    # Closing the sweep and the last view come after that, and get the least patience each.
    assert 2 * LEAST_PATIENCE_S < CLOSE_MARGIN_S


def test_a_prefect_that_is_away_costs_the_end_of_a_sweep_no_more_than_a_tracker():
    assert SETTLE_S + LAST_VIEW_S < PATIENCE_S


def test_a_configured_server_is_asked_more_than_once():
    assert 2 * PREFECT_REQUEST_S < CONFIGURED_SERVER_S


def test_the_server_has_written_a_state_before_the_driver_looks():
    assert TASK_RUNS_WRITTEN_S < TASK_RUNS_READ_S


def test_the_next_sweep_outwaits_a_server_that_is_ending():
    assert SERVER_EXIT_S < SERVER_GONE_S
