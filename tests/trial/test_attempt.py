"""User code in the main thread: how it ends, how it is stopped, what it leaves behind."""

import atexit
import gc
import json
import os
import random
import signal
import sys
import tempfile
import textwrap
import threading
import types
from pathlib import Path

import pytest

from tune_tasks.errors import TrainableError, TrialStopped
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint_folder import checkpoints_in
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import CUT_SHORT, EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.trial import attempt, monitor
from tune_tasks.trial.attempt import Assignment, run_train
from tune_tasks.trial.interrupter import Interrupter
from tune_tasks.trial.monitor import Monitor
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.script import ScriptTrainable
from tune_tasks.trial.trainable import CallableTrainable, Trainable


class Recorder:
    """Wants what it is told to want once the trial has reported."""

    has_more = False

    def __init__(self, wanted):
        self.wanted = wanted

    def open(self, info):
        return {"FROM_RECORDER": info.trial.name}

    def update(self, reporter):
        return self.wanted if reporter.progress.reports else None

    def close(self, reporter, outcome):
        return outcome


@pytest.fixture
def end_tests(request):
    """Ends the tests: a trial that should have ended has not, and the main thread is still in it."""

    def end_tests(_code):
        request.config.pluginmanager.getplugin("capturemanager").suspend_global_capture()
        print(f"\n{request.node.nodeid}: its trial has not ended", file=sys.stderr, flush=True)
        os._exit(70)

    return end_tests


@pytest.fixture
def interrupter(monkeypatch):
    monkeypatch.setattr(monitor, "HEARTBEAT_S", 0.01)
    before = signal.getsignal(signal.SIGUSR1)
    yield Interrupter()
    signal.signal(signal.SIGUSR1, before)


LEFT = Outcome(TrialState.ERROR, EndedBy.ERROR, "the process was told to end")
"""In place of an outcome, if there is none; the monitor has to end in any case."""


@pytest.fixture
def run(tmp_path, interrupter, end_tests):
    """Runs a script's text, or a callable, watched, as a Ray worker does; returns the outcome."""

    def run(
        code,
        *,
        stop=None,
        wanted=None,
        config=None,
        seed=1,
        exit_process=end_tests,
        cwd=tmp_path,
        grace_s=60.0,
    ):
        if isinstance(code, Trainable):
            trainable = code
        elif isinstance(code, str):
            (tmp_path / "s.py").write_text(textwrap.dedent(code))
            trainable = ScriptTrainable(tmp_path / "s.py", "train")
        else:
            trainable = CallableTrainable(code)
        criteria = tuple(parse_criterion(*c) for c in (stop or {}).items())
        trial = Trial(
            "e",
            0,
            "script_0",
            "script",
            config or {},
            {},
            seed=seed,
            stop=criteria,
            stop_grace_s=grace_s,
        )
        paths = AttemptPaths(tmp_path / "trial")
        paths.create({})
        paths.results.unlink(missing_ok=True)
        reports = TrialReports(trial, paths.results, "id")
        watch = Monitor(
            AttemptInfo(trial, 1, paths.folder),
            reports,
            paths,
            Recorder(wanted),
            interrupt=interrupter.interrupt,
            forward_log=lambda: None,
            exit_process=exit_process,
        )
        thread = threading.Thread(target=watch.run)
        thread.start()
        watch.wait_until_ready()
        outcome = LEFT
        try:
            outcome = run_train(
                Assignment(trial, 1, trainable, paths.folder, cwd),
                reports,
                interrupter,
                watch.environment,
            )
        finally:
            watch.finish(outcome)
            thread.join()
        assert outcome.reports == len(paths.results.read_text().splitlines())
        return outcome

    return run


NO_REPORT = (
    "train() returned without a report; call"
    " status_reporter.report(TrainingResult(timesteps_total=…, …)) in it"
)
NOT_PLAIN = (
    "tune_tasks.errors.TrainableError: train() is a generator or async function and was not"
    " executed; expected a plain function"
)
MET_5 = "training_iteration 5 >= 5 after 2 timesteps"
ERROR, DONE = (TrialState.ERROR, EndedBy.ERROR), (TrialState.TERMINATED, EndedBy.DONE)
RETURNED, MET = (
    (TrialState.TERMINATED, EndedBy.RETURNED),
    (TrialState.TERMINATED, EndedBy.CRITERION),
)


@pytest.mark.parametrize(
    ("body", "end", "last_line"),
    [
        ("r(timesteps_total=1)", RETURNED, "train() returned"),
        ("r(timesteps_total=1); return 5", RETURNED, "train() returned"),
        ("r(timesteps_total=1); import sys; sys.exit()", RETURNED, "train() returned"),
        ("r(timesteps_total=1, done=True)", DONE, "done after 1 timesteps"),
        ("while True: r(timesteps_total=2)", MET, MET_5),
        ("try:\n        while True: r(timesteps_total=2)\n    except BaseException: pass", MET, MET_5),
        (
            "try:\n        while True: r(timesteps_total=2)\n    finally: 1 / 0",
            MET,
            f"{MET_5}; train() then raised ZeroDivisionError",
        ),
        ("pass", ERROR, NO_REPORT),
        ("import sys; sys.exit(0)", ERROR, NO_REPORT),
        ("r(timesteps_total=1); import sys; sys.exit(3)", ERROR, "SystemExit: 3"),
        ("import sys; sys.exit('no data')", ERROR, "SystemExit: no data"),
        ("r(timesteps_total=1); 1 / 0", ERROR, "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", ERROR, "KeyboardInterrupt"),
        ("r(mean_loss=1)", ERROR, "tune_tasks.errors.ReportError: timesteps_total is required"),
        ("yield r(timesteps_total=1)", ERROR, NOT_PLAIN),
        ("return (x for x in [1])", ERROR, NOT_PLAIN),
    ],
)  # fmt: skip
def test_how_train_ends(run, capsys, body, end, last_line):
    outcome = run(f"def train(c, r):\n    {body}\n", stop={"training_iteration": 5})
    assert (outcome.state, outcome.ended_by) == end
    assert (outcome.error_summary if outcome.error else outcome.stop_reason) == last_line
    if "finally" in body:
        assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_process_that_is_told_to_end_says_no_end_of_the_trial(run):
    told = "import sys; exit = SystemExit(1); exit.ray_terminate_msg = 'told'; raise exit"
    with pytest.raises(SystemExit):
        run(f"def train(c, r):\n    r(timesteps_total=1); {told}\n")


def test_an_async_train_is_refused(run):
    assert run("async def train(c, r): r(timesteps_total=1)").error_summary == NOT_PLAIN


def test_a_traceback_begins_in_user_code(run, tmp_path):
    script = tmp_path / "s.py"
    outcome = run("def train(c, r):\n    1 / 0")
    assert next(outcome.failure.texts()) == "ZeroDivisionError: division by zero"
    raised = outcome.error
    assert raised.startswith(
        f'Traceback (most recent call last):\n  File "{script}", line 2, in train\n    1 / 0'
    )
    top_level = run(
        "def train(c, r): ...\n1 / 0  # of another length: Python may have cached the first one"
    ).error
    assert top_level.startswith(
        f'Traceback (most recent call last):\n  File "{script}", line 2, in <module>\n    1 / 0'
    )
    assert (
        run("def train(c): ...").error
        == "TypeError: train() takes 1 positional argument but 2 were given\n"
    )


@pytest.mark.parametrize(
    ("error", "begins"),
    [("ValueError", "Traceback"), ("TrainableError", "tune_tasks.errors.Trainable")],
)
def test_the_shown_package_shows_its_frames_unless_the_error_is_for_users(run, error, begins):
    names = {"TrainableError": TrainableError, "__name__": "tune_tasks.driving.loop"}
    code = f"def train(config, reporter):\n    raise {error}('so')"
    file = Path(attempt.__file__).parents[1] / "driving" / "loop.py"
    exec(compile(code, file, "exec"), names)

    class Driving(CallableTrainable):
        def shown_package(self):
            return "tune_tasks.driving"

    assert run(Driving(names["train"])).error.startswith(begins)
    assert run(names["train"]).error.startswith(("ValueError", "tune_tasks.errors"))


BLOCKED = {
    "sleeping": "import time\ndef train(c, r):\n    r(timesteps_total=1)\n    time.sleep(1e6)",
    "looping": "def train(c, r):\n    r(timesteps_total=1)\n    while True: pass",
    "waiting for a thread": (
        """
        import threading
        def work(c, r):
            r(timesteps_total=1)
            c["gone"].wait()
        def train(c, r):
            thread = threading.Thread(target=work, args=[c, r], daemon=True)
            thread.start()
            try:
                thread.join()
            finally:
                c["gone"].set()
        """
    ),
    "swallowing every Exception": (
        """
        import time
        def train(c, r):
            r(timesteps_total=1)
            while True:
                try: time.sleep(1e6)
                except Exception: pass
        """
    ),
    "reporting from a helper thread": (
        """
        import threading, time
        def work(c, r):
            try:
                while True: r(timesteps_total=1)
            except BaseException: pass
        def train(c, r):
            threading.Thread(target=work, args=[c, r], daemon=True).start()
            time.sleep(1e6)
        """
    ),
    "in a subprocess": (
        "import subprocess\ndef train(c, r):\n    r(timesteps_total=1)\n   "
        " subprocess.run(['sleep', '100'])"
    ),
}


@pytest.mark.parametrize("code", BLOCKED.values(), ids=list(BLOCKED))
def test_step_two_ends_blocked_code_at_once(run, code):
    wanted = Stop(EndedBy.CANCELLED, "cancelled")
    outcome = run(code, wanted=wanted, config={"gone": threading.Event()})
    assert (outcome.state, outcome.ended_by, outcome.stop_reason) == (
        TrialState.TERMINATED,
        *vars(wanted).values(),
    )


def test_step_two_when_time_is_up_and_when_another_thread_meets_a_criterion(run):
    outcome = run(BLOCKED["looping"], stop={"time_total_s": 0.05})
    assert (outcome.ended_by, outcome.stop_reason.startswith("time_total_s 0.")) == (
        EndedBy.CRITERION,
        True,
    )
    outcome = run(BLOCKED["reporting from a helper thread"], stop={"training_iteration": 3})
    assert (outcome.reports, outcome.stop_reason) == (
        3,
        "training_iteration 3 >= 3 after 1 timesteps",
    )


def test_step_two_also_after_user_code_took_the_signal(run):
    code = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
    assert run(code + BLOCKED["sleeping"], wanted=Stop(EndedBy.CANCELLED, "c")).stop_reason == "c"
    run(
        "import signal\ndef train(c, r):\n    r(timesteps_total=1)\n   "
        " signal.signal(signal.SIGUSR1, signal.SIG_IGN)"
    )
    assert run(BLOCKED["sleeping"], wanted=Stop(EndedBy.CANCELLED, "c")).stop_reason == "c"


def test_step_two_sends_again_a_signal_that_came_just_before_a_blocking_call(run, monkeypatch):
    kill, lost = signal.pthread_kill, []
    monkeypatch.setattr(
        signal, "pthread_kill", lambda *to: lost.append(to) if len(lost) < 6 else kill(*to)
    )
    assert run(BLOCKED["sleeping"], wanted=Stop(EndedBy.CANCELLED, "c")).stop_reason == "c"
    assert len(lost) == 6


SAVES = """
    import time
    def train(c, r):
        step = 0
        while True:
            time.sleep(0.005)
            step += 1
            r(timesteps_total=step)
            if c["asks"] and r.wants_checkpoint:
                with r.checkpoint() as folder:
                    (folder / "step").write_text(f"{step}")
    """


@pytest.mark.parametrize("ended_by", CUT_SHORT)
@pytest.mark.parametrize("asks", [True, False])
def test_a_script_that_asks_has_a_checkpoint_of_its_last_report(run, tmp_path, asks, ended_by):
    outcome = run(SAVES, wanted=Stop(ended_by, "Ctrl-C"), config={"asks": asks})
    assert (outcome.ended_by, outcome.stop_reason) == (ended_by, "Ctrl-C")
    stored = checkpoints_in(tmp_path / "trial" / "checkpoints")
    assert [each.number for each in stored] == ([outcome.reports] if asks else [])


def test_time_that_is_up_lets_a_checkpoint_be_written(run, tmp_path):
    code = """
        import time
        def train(c, r):
            r(timesteps_total=1)
            with r.checkpoint() as folder:
                time.sleep(0.2)
                (folder / "slow").write_text("done")
            time.sleep(1000)
        """
    outcome = run(code, stop={"time_total_s": 0.05})
    assert outcome.ended_by is EndedBy.CRITERION
    assert len(checkpoints_in(tmp_path / "trial" / "checkpoints")) == 1


def test_a_checkpoint_that_never_ends_is_broken_into(run, tmp_path, monkeypatch):
    monkeypatch.setattr(monitor, "_TO_SAVE", 0.005)
    code = """
        import time
        def train(c, r):
            r(timesteps_total=1)
            with r.checkpoint() as folder:
                time.sleep(1000)
        """
    outcome = run(code, wanted=Stop(EndedBy.CANCELLED, "Ctrl-C"))
    assert outcome.stop_reason == "Ctrl-C"
    assert list((tmp_path / "trial" / "checkpoints").iterdir()) == []


def test_step_two_interrupts_once(interrupter):
    with interrupter.armed(lambda: "why"):
        with pytest.raises(TrialStopped, match=r"^why$"):
            interrupter.interrupt()
        interrupter.interrupt()
    with interrupter.armed(lambda: "again"), pytest.raises(TrialStopped, match=r"^again$"):
        interrupter.interrupt()


def test_step_three_ends_the_process_of_code_that_swallows_everything(run, tmp_path):
    code = """
        def train(c, r):
            r(timesteps_total=1)
            while not c["gone"].is_set():
                try: c["gone"].wait()
                except BaseException: c["swallowed"].append(1)
        """
    config, exits = {"gone": threading.Event(), "swallowed": []}, []

    def exit_process(code):
        exits.append(
            (code, json.loads((tmp_path / "trial" / "outcome.json").read_text())["stop_reason"])
        )
        config["gone"].set()

    run(
        code,
        wanted=Stop(EndedBy.CANCELLED, "cancelled"),
        config=config,
        exit_process=exit_process,
        grace_s=0.2,
    )
    assert config["swallowed"] == [1]
    assert exits[0] == (0, "cancelled; its process was ended 0.2 s later")


def test_a_trial_that_is_to_end_before_train_begins_does_not_begin(tmp_path, interrupter):
    begun = []
    trial = Trial("e", 0, "script_0", "script", {}, {}, seed=1)
    reports = TrialReports(trial, tmp_path / "result.json", "id")
    reports.request_stop(Stop(EndedBy.CANCELLED, "cancelled"))
    trainable = CallableTrainable(lambda config, reporter: begun.append(1))
    outcome = run_train(
        Assignment(trial, 1, trainable, tmp_path, tmp_path), reports, interrupter, {}
    )
    assert (outcome.state, outcome.ended_by, begun) == (
        TrialState.TERMINATED,
        EndedBy.CANCELLED,
        [],
    )


def test_a_signal_that_comes_late_does_nothing(interrupter):
    interrupter.interrupt()
    with interrupter.armed(lambda: None):
        interrupter.interrupt()
    signal.raise_signal(signal.SIGUSR1)


DRAWS = """
    import random
    import numpy as np
    AT_IMPORT = [random.random(), np.random.rand()]
    def train(c, r):
        r(timesteps_total=1)
        c["drawn"].append([*AT_IMPORT, random.random(), np.random.rand(), r.seed])
    """


def test_one_seed_draws_the_same_numbers(run, monkeypatch):
    torch_seeds, drawn = [], []
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(manual_seed=torch_seeds.append))
    for seed in (7, 8, 7):
        random.seed()
        run(DRAWS, seed=seed, config={"drawn": drawn})
    assert drawn[0] == drawn[2]
    assert not set(drawn[0]) & set(drawn[1])
    assert [numbers[-1] for numbers in drawn] == [7, 8, 7]
    assert set(torch_seeds) == {7, 8}


@pytest.mark.parametrize("last", ["pass", "1 / 0", "import sys; sys.exit(1)"])
def test_each_trial_finds_things_as_the_first_did(run, tmp_path, monkeypatch, last):
    monkeypatch.setenv("KEPT", "old")
    monkeypatch.setenv("REMOVED", "old")
    code = f"""
        import os, sys
        seen = []
        def train(c, r):
            r(timesteps_total=1)
            seen.append(1)
            c["seen"].append((len(seen), os.getcwd(), os.environ["FROM_RECORDER"], "NEW" in os.environ, os.environ["KEPT"]))
            os.chdir("/")
            os.environ.update(NEW="1", KEPT="new")
            del os.environ["REMOVED"]
            sys.path.append("/nowhere")
            {last}
        """
    config, before = {"seen": []}, (Path.cwd(), dict(os.environ), list(sys.path))
    for _ in range(2):
        run(code, config=config)
    assert config["seen"] == [(1, str(tmp_path), "script_0", False, "old")] * 2
    assert (Path.cwd(), dict(os.environ), list(sys.path)) == before


def test_a_working_directory_that_is_not_here(run, tmp_path):
    seen = []
    run(lambda c, r: seen.append(Path.cwd()), cwd=tmp_path / "elsewhere")
    assert seen == [Path.cwd()]


AT_ITS_END = """
    import atexit, tempfile
    opened = open("left_open.txt", "w")
    temporary = tempfile.TemporaryDirectory(dir=".")

    @atexit.register
    def first():
        print("runs last")

    atexit.register(print, "runs first")
    atexit.register(print, "does not run")
    atexit.unregister(print)
    atexit.register(lambda: 1 / 0)
    atexit.register(print, "runs first")

    def train(config, status_reporter):
        opened.write("written")
        status_reporter(timesteps_total=1)
"""


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_what_happens_at_a_scripts_end_happens_at_its_trials(run, tmp_path, capsys):
    tempfile.TemporaryDirectory().cleanup()  # registers a function of `weakref`, once a process
    registered = atexit._ncallbacks()
    assert run(AT_ITS_END).error is None
    printed = capsys.readouterr()
    assert printed.out == "runs first\nruns last\n"
    assert "ZeroDivisionError" in printed.err
    assert (tmp_path / "left_open.txt").read_text() == "written"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []
    assert (atexit._ncallbacks(), gc.get_freeze_count()) == (registered, 0)


def test_a_forked_process_that_leaves_train_ends_there(run, tmp_path):
    outcome = run(f"""
        import os, sys
        def train(config, status_reporter):
            status_reporter(timesteps_total=1)
            children = []
            for way in ("return", "report", "sys.exit(0)", "sys.exit(5)"):
                pid = os.fork()
                if pid == 0:
                    sys.stderr = open({str(tmp_path / "printed")!r}, "a")
                    if way == "report":
                        status_reporter(timesteps_total=2)
                    if "exit" in way:
                        exec(way)
                    return
                children.append(os.waitpid(pid, 0)[1])
            status_reporter(timesteps_total=3, codes=[os.waitstatus_to_exitcode(status) for status in children])
        """)
    assert (outcome.state, outcome.reports) == (TrialState.TERMINATED, 2)
    rows = [
        json.loads(line) for line in (tmp_path / "trial" / "result.json").read_text().splitlines()
    ]
    assert rows[1]["info"] == {"codes": [0, 1, 0, 5]}
    printed = (tmp_path / "printed").read_text()
    assert "ReportError: report() was called in process " in printed
    assert printed.count("Traceback") == 1


def test_a_forked_process_that_leaves_the_scripts_head_ends_there(run, tmp_path):
    outcome = run(f"""
        import os, sys
        codes = []
        for way in ("sys.exit(5)", "pass", "1 / 0"):
            if (pid := os.fork()) == 0:
                sys.stderr = open({str(tmp_path / "printed")!r}, "a")
                exec(way)
                break  # to the end of the script, and into train()
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

        def train(config, status_reporter):
            status_reporter(timesteps_total=1, codes=codes)
        """)
    assert (outcome.state, outcome.reports) == (TrialState.TERMINATED, 1)
    (row,) = [
        json.loads(line) for line in (tmp_path / "trial" / "result.json").read_text().splitlines()
    ]
    assert row["info"] == {"codes": [5, 1, 1]}
    assert "ReportError: report() was called in process " in (tmp_path / "printed").read_text()


def test_an_alarm_that_a_script_has_set_ends_with_it(run, interrupter):
    run("import signal\ndef train(config, status_reporter):\n    signal.alarm(1000)")
    assert signal.alarm(0) == 0


@pytest.mark.parametrize(
    "end", ["return", "raise ValueError('own')", "status_reporter(timesteps_total=2)"]
)
def test_a_trial_whose_reports_are_gone_is_an_error_however_it_ends(run, tmp_path, end):
    outcome = run(
        f"""
        def train(config, status_reporter):
            status_reporter(timesteps_total=1)
            (status_reporter.logdir / "result.json").write_text("mine")
            {end}
        """,
    )
    assert (outcome.state, outcome.ended_by, outcome.reports) == (
        TrialState.ERROR,
        EndedBy.ERROR,
        1,
    )
    assert "result.json was overwritten by something else" in outcome.error
    assert "own" in outcome.error_summary or "overwritten" in outcome.error_summary
