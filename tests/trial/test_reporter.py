"""What `report()` fills in, keeps, refuses and ends."""

import contextlib
import fractions
import json
import math
import multiprocessing
import os
import pickle
import socket
import threading
import time
import types

import numpy as np
import pytest

from tune_tasks.errors import ReportError, TrialStopped
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Stop, Trial
from tune_tasks.result import TrainingResult
from tune_tasks.trial.report_rows import Earlier
from tune_tasks.trial.reporter import StatusReporter, reports_of
from tune_tasks.trial.reports import TrialReports

FILLED_IN = {
    *(
        "experiment_id",
        "training_iteration",
        "timesteps_this_iter",
        "time_this_iter_s",
        "time_total_s",
    ),
    *("pid", "hostname", "date", "timestamp", "config"),
}


class Clock:
    """Stands still until it is told to move."""

    now = 100.0

    def __call__(self):
        return self.now


class Rig:
    def __init__(self, folder, stop=None, config=None):
        self.file = folder / "result.json"
        self.clock, self.wall = Clock(), Clock()
        criteria = tuple(parse_criterion(*c) for c in (stop or {}).items())
        trial = Trial(
            "e", 0, "script_0", "script", config or {"lr": 0.1}, {}, seed=42, stop=criteria
        )
        self.reports = TrialReports(
            trial, self.file, "an-id", clock=self.clock, wall_clock=self.wall
        )
        self.reporter = StatusReporter(self.reports)

    def report(self, timesteps=1, **fields):
        """Report; returns the row as it is on the disk when report() returns."""
        self.reporter.report(TrainingResult(timesteps_total=timesteps, **fields))
        return self.rows()[-1]

    def rows(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def refusal(self, *args, **fields):
        with pytest.raises(ReportError) as caught:
            self.report(*args, **fields)
        return str(caught.value)

    def ended_by(self, *args, **fields):
        with pytest.raises(TrialStopped) as caught:
            self.report(*args, **fields)
        return str(caught.value)


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_every_documented_field_is_filled_in(rig):
    rig.clock.now, rig.wall.now = 200.0, 1_511_518_000.5
    rig.reports.begin()
    rig.clock.now = 201.5
    first = rig.report(10, mean_loss=0.25, info={"lr": 1})
    rig.clock.now, rig.wall.now = 204.0, 1_511_518_003.25
    second = rig.report(25, episodes_total=3)
    assert first == {
        "timesteps_total": 10,
        "mean_loss": 0.25,
        "neg_mean_loss": -0.25,
        "info": {"lr": 1},
        "experiment_id": "an-id",
        "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "training_iteration": 1,
        "timesteps_this_iter": 10,
        "time_this_iter_s": 1.5,
        "time_total_s": 1.5,
        "date": time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(1_511_518_000)),
        "timestamp": 1_511_518_000.5,
        "config": {"lr": 0.1},
    }
    assert set(second) == {"timesteps_total", "episodes_total"} | FILLED_IN
    assert (second["training_iteration"], second["timesteps_this_iter"]) == (2, 15)
    assert (second["time_this_iter_s"], second["time_total_s"]) == (2.5, 4.0)
    assert (second["timestamp"], rig.reports.train_time_s()) == (1_511_518_003.25, 4.0)
    assert (rig.reporter.seed, rig.reporter.logdir) == (42, rig.file.parent)


def test_a_trial_goes_on_from_where_it_had_come(rig):
    rig.reports.begin(Earlier(timesteps_total=100, time_total_s=60.0, training_iteration=7))
    rig.clock.now += 2
    row = rig.report(130)
    assert (row["training_iteration"], row["timesteps_this_iter"]) == (8, 30)
    assert (row["time_this_iter_s"], row["time_total_s"]) == (2, 62)


def test_the_clock_stands_until_train_begins(rig):
    rig.clock.now += 50
    assert rig.reports.train_time_s() is None
    rig.reports.begin()
    rig.clock.now += 2
    assert (rig.reports.train_time_s(), rig.report()["time_total_s"]) == (2, 2)
    rig.reports.prepare()
    assert rig.reports.train_time_s() is None


def test_what_a_script_puts_into_our_fields_is_overwritten(rig):
    row = rig.report(
        1, training_iteration=77, pid=0, config={}, time_total_s=5, mean_loss=1, neg_mean_loss=9
    )
    assert (row["training_iteration"], row["pid"], row["config"], row["time_total_s"]) == (
        1,
        os.getpid(),
        {"lr": 0.1},
        0,
    )
    assert row["neg_mean_loss"] == -1
    assert rig.report(1, neg_mean_loss=9)["neg_mean_loss"] == 9


def test_every_report_is_kept_and_counted(rig):
    for i in range(300):
        rig.reporter.report(TrainingResult(timesteps_total=i))
        assert rig.reports.progress.reports == i + 1
    assert [row["timesteps_total"] for row in rig.rows()] == list(range(300))
    assert [row["training_iteration"] for row in rig.rows()] == list(range(1, 301))
    assert rig.reports.progress.size == rig.file.stat().st_size
    assert rig.reports.progress.last == {k: v for k, v in rig.rows()[-1].items() if k != "config"}


def test_the_form_of_2018(rig):
    rig.reporter(
        timesteps_total=3,
        mean_loss=0.5,
        my_metric=7,
        done=False,
        info={"lr": 1},
        training_iteration=99,
    )
    (row,) = rig.rows()
    assert (row["timesteps_total"], row["mean_loss"], row["info"]) == (
        3,
        0.5,
        {"lr": 1, "my_metric": 7},
    )
    assert row["training_iteration"] == 1
    rig.reporter(timesteps_total=4)
    assert "info" not in rig.rows()[1]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"mean_loss": 1}, "timesteps_total is required"),
        ({"timestep_total": 1}, "timesteps_total is required; did you mean 'timestep_total'?"),
        (
            {"timesteps_total": 1, "info": 5, "x": 1},
            "info: expected a dict of further metrics, got 5",
        ),
    ],
)
def test_bad_calls_in_the_form_of_2018(rig, keywords, message):
    with pytest.raises(ReportError) as caught:
        rig.reporter(**keywords)
    assert str(caught.value) == message


class Tensor:
    """As torch's.

    No number by its type, but `float()` and `tolist()` take one of a single element.
    """

    def __init__(self, *values):
        self.values = values

    def __float__(self):
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with several elements cannot be converted to Scalar")
        return float(self.values[0])

    def tolist(self):
        return self.values[0] if len(self.values) == 1 else list(self.values)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        *[
            (1, 1),
            (0.5, 0.5),
            (np.float32(0.5), 0.5),
            (np.float64(0.5), 0.5),
            (np.int64(3), 3),
            (np.array(0.5), 0.5),
        ],
        *[
            (Tensor(0.5), 0.5),
            (fractions.Fraction(1, 2), 0.5),
            (2**70, 2.0**70),
            (10**400, math.inf),
            (-(10**400), -math.inf),
        ],
    ],
)
def test_any_number_will_do(rig, value, kept):
    row = rig.report(1, mean_accuracy=value, info={"x": value})
    assert (row["mean_accuracy"], row["info"]["x"]) == (kept, kept)
    assert type(row["mean_accuracy"]) is type(kept)


@pytest.mark.parametrize(("value", "kept"), [(np.int64(5), 5), (5.0, 5), (Tensor(5.0), 5), (0, 0)])
def test_timesteps_of_any_kind(rig, value, kept):
    assert rig.report(value)["timesteps_total"] == kept


def test_info_of_any_kind(rig):
    info = {
        "list": [1, np.float32(0.5)],
        "deep": {1: {"t": (True, None)}},
        "array": np.arange(3),
        "flag": np.bool_(True),
    }
    info |= {
        "tensor": Tensor(1, 2),
        "text": np.str_("x"),
        "set": {1},
        "object": print,
        "surrogate": "\udcff",
        "map": types.MappingProxyType({"a": 1}),
    }
    assert rig.report(1, info=info)["info"] == {
        "list": [1, 0.5],
        "deep": {"1": {"t": [True, None]}},
        "array": [0, 1, 2],
        "flag": True,
        "tensor": [1, 2],
        "text": "x",
        "set": [1],
        "object": repr(print),
        "surrogate": "\udcff",
        "map": {"a": 1},
    }


class Unshowable:
    def __repr__(self):
        raise ValueError("no")


def test_a_value_whose_repr_fails(rig):
    assert rig.report(1, info={"x": Unshowable()})["info"]["x"] == "a Unshowable"
    assert (
        rig.refusal(1, mean_loss=Unshowable()) == "mean_loss: expected a number, got a Unshowable"
    )


CIRCLE = {}
CIRCLE["a"] = CIRCLE


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *[((name, "0.5"), f"{name}: expected a number, got '0.5'") for name in ("mean_loss", "episodes_total")],
        (("mean_validation_accuracy", True), "mean_validation_accuracy: expected a number, got True"),
        (("episode_reward_mean", [1]), "episode_reward_mean: expected a number, got [1]"),
        (("episode_len_mean", 1j), "episode_len_mean: expected a number, got 1j"),
        (("mean_loss", np.array([1.0, 2.0])), "mean_loss: expected a number, got array([1., 2.])"),
        (("neg_mean_loss", {}), "neg_mean_loss: expected a number, got {}"),
        (("info", [1]), "info: expected a dict of further metrics, got [1]"),
        (("info", CIRCLE), "info: expected plain values, got some nested without end"),
        (("done", "false"), "done: expected True or False, got 'false'"),
        (("done", np.array([1, 1])), "done: expected True or False, got array([1, 1])"),
        (("timesteps", None), "timesteps_total is required: the number of training steps so far"),
        *[(("timesteps", bad), f"timesteps_total: expected a whole number >= 0, got {bad}") for bad in (-1, 0.5, math.inf)],
        (("timesteps", math.nan), "timesteps_total: expected a whole number >= 0, got nan"),
        *[(("timesteps", bad), f"timesteps_total: expected a number, got {bad!r}") for bad in ("5", True, [1])],
        (("timesteps", 10**5000), "timesteps_total: expected a whole number >= 0, got a int"),
        (("mean_loss", "x" * 999), f"mean_loss: expected a number, got '{'x' * 78}…"),
    ],
)  # fmt: skip
def test_a_bad_report_says_which_field_and_is_not_kept(rig, fields, message):
    rig.report(1)
    assert rig.refusal(**dict([fields])) == message
    assert len(rig.rows()) == rig.reports.progress.reports == 1
    assert rig.report(2)["training_iteration"] == 2


def test_only_a_training_result_will_do(rig):
    with pytest.raises(ReportError, match=r"^report\(\) expects a TrainingResult, got dict$"):
        rig.reporter.report({"timesteps_total": 1})


def test_what_is_not_finite_is_kept_and_counted_and_ends_nothing(tmp_path):
    rig = Rig(tmp_path, stop={"mean_loss": 100, "mean_accuracy": 0, "x": "> 0"})
    row = rig.report(
        1, mean_loss=math.nan, mean_accuracy=math.inf, info={"x": np.float32("nan"), "y": 1}
    )
    assert math.isnan(row["mean_loss"])
    assert row["mean_accuracy"] == math.inf
    assert rig.reports.progress.non_finite == 3
    rig.report(2, info={"z": -math.inf})
    assert rig.reports.progress.non_finite == 4


def test_training_iteration_10_gives_exactly_ten(tmp_path):
    rig = Rig(tmp_path, stop={"training_iteration": 10})
    reason = "training_iteration 10 >= 10 after 9 timesteps"
    for i in range(9):
        rig.report(i)
    assert rig.ended_by(9) == reason
    assert len(rig.rows()) == 10
    assert rig.reports.stop == Stop(EndedBy.CRITERION, reason)
    assert rig.ended_by(11) == reason
    assert len(rig.rows()) == 10


@pytest.mark.parametrize(
    ("stop", "fields", "by", "reason"),
    [
        (
            {"mean_loss": 0.1},
            {"mean_loss": 0.05},
            EndedBy.CRITERION,
            "mean_loss 0.05 <= 0.1 after 5 timesteps",
        ),
        (
            {"my_metric": 3},
            {"info": {"my_metric": 3}},
            EndedBy.CRITERION,
            "my_metric 3 >= 3 after 5 timesteps",
        ),
        (
            {"done_ratio": 1},
            {"info": {"done_ratio": 1}},
            EndedBy.CRITERION,
            "done_ratio 1 >= 1 after 5 timesteps",
        ),
        (
            {"timesteps_total": 5},
            {"done": True},
            EndedBy.CRITERION,
            "timesteps_total 5 >= 5 after 5 timesteps",
        ),
        ({}, {"done": True}, EndedBy.DONE, "done after 5 timesteps"),
        ({}, {"done": np.bool_(True)}, EndedBy.DONE, "done after 5 timesteps"),
    ],
)
def test_the_very_report_that_meets_a_criterion_ends_the_trial(tmp_path, stop, fields, by, reason):
    rig = Rig(tmp_path, stop=stop)
    assert rig.ended_by(5, **fields) == reason
    assert rig.reports.stop == Stop(by, reason)
    assert len(rig.rows()) == 1


def test_a_stop_is_not_swallowed_by_except_exception(tmp_path):
    rig = Rig(tmp_path, stop={"training_iteration": 1})

    def train():
        with contextlib.suppress(Exception):
            rig.report()

    with pytest.raises(TrialStopped):
        train()


def test_a_requested_stop_ends_the_next_report_and_the_first_reason_stays(rig):
    rig.report(1)
    rig.reports.request_stop(Stop(EndedBy.CANCELLED, "cancelled"))
    rig.reports.request_stop(Stop(EndedBy.CRITERION, "time is up"))
    assert rig.reports.decision.interruption() == "cancelled"
    assert rig.ended_by(2) == "cancelled"
    assert len(rig.rows()) == 1
    # The main thread has heard of it: no signal may break into its clean-up
    assert rig.reports.decision.interruption() is None


def test_unseen_metrics(tmp_path):
    rig = Rig(tmp_path, stop={"mean_accuracy": 2, "x": 9, "y": 9})
    rig.report(1, mean_accuracy=1, info={"x": math.nan})
    assert rig.reports.unseen_metrics == {"y"}


def test_helper_threads(tmp_path):
    rig = Rig(tmp_path, stop={"training_iteration": 200})
    ends = []

    def work():
        try:
            while True:
                rig.reporter(timesteps_total=1)
        except TrialStopped as exc:
            ends.append(str(exc))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["training_iteration"] for row in rig.rows()] == list(range(1, 201))
    assert ends == ["training_iteration 200 >= 200 after 1 timesteps"] * 8
    assert rig.reports.decision.interruption()  # the main thread has not heard of it


def test_the_monitor_is_told_of_the_first_report_and_of_the_last(tmp_path):
    rig = Rig(tmp_path, stop={"training_iteration": 3})
    told = []
    rig.reports.on_change(lambda: told.append(rig.reports.progress.reports))
    rig.report()
    rig.report()
    rig.ended_by()
    assert told == [1, 3]


def test_after_close_reports_of_threads_left_behind_end_them(rig):
    rig.report()
    rig.reports.close()
    assert rig.ended_by() == "train() has returned"
    assert len(rig.rows()) == 1


def test_a_config_of_any_values(tmp_path):
    assert Rig(tmp_path, config={"f": print, "n": {1: (2,)}}).report()["config"] == {
        "f": repr(print),
        "n": {"1": [2]},
    }


def test_a_full_disk_leaves_the_file_readable(rig, monkeypatch):
    rig.report(1)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:20]))
    with pytest.raises(OSError, match="is the disk full"):
        rig.report(2)
    monkeypatch.undo()
    assert [row["timesteps_total"] for row in rig.rows()] == [1]
    assert rig.report(3)["training_iteration"] == 2


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o077, 0o600)])
def test_the_umask_holds(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        Rig(tmp_path).reporter(timesteps_total=1)
    finally:
        os.umask(before)
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == mode


def test_secrets_are_not_written(tmp_path):
    rig = Rig(tmp_path, config={"api_key": "s3cret", "lr": 0.1})
    rig.reporter(timesteps_total=1)
    assert json.loads(rig.file.read_text())["config"] == {"api_key": "***", "lr": 0.1}


def in_a_fork(function):
    """What the function raises in a forked process, as text; it has ten seconds."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run():
        try:
            sender.send(str(function()))
        except ReportError as exc:
            sender.send(str(exc))

    process = context.Process(target=run)
    process.start()
    assert receiver.poll(10), "it hangs"
    process.join()
    return receiver.recv()


def test_a_report_in_a_forked_process_says_what_to_do(rig):
    rig.report(1)
    with rig.reports.decision.lock:  # as another thread may, while this one forks
        message = in_a_fork(rig.report)
    assert (
        "a child of the trial's own process, which alone can report; have it send the values"
        in message
    )
    assert rig.report(2)["training_iteration"] == 2
    assert len(rig.rows()) == 2


def test_a_reporter_cannot_be_sent_to_another_process(rig):
    with pytest.raises(
        ReportError,
        match="cannot be sent to another process: it belongs to the trial's own process",
    ):
        pickle.dumps(rig.reporter)


def test_users_see_of_the_reporter_what_is_theirs(rig):
    names = [name for name in dir(StatusReporter) if not name.startswith("_")]
    assert names == ["checkpoint", "logdir", "report", "restore", "seed", "wants_checkpoint"]
    assert callable(rig.reporter)
    assert [name for name in vars(rig.reporter) if not name.startswith("_")] == []
    assert reports_of(rig.reporter) is rig.reports


@pytest.mark.parametrize(("seconds", "synced"), [(9.0, False), (10.0, True)])
def test_the_reports_of_a_long_trial_are_on_the_disk_at_its_end(rig, monkeypatch, seconds, synced):
    files = []
    monkeypatch.setattr(os, "fsync", lambda file: files.append(os.fstat(file).st_ino))
    rig.reports.begin()
    rig.report()
    rig.clock.now += seconds
    assert rig.reports.close() is None
    assert files == [rig.file.stat().st_ino] * synced
