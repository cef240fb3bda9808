"""The command that shows the trials of a spec."""

import json
from pathlib import Path

import pytest

from tests.sweep.drivers import FAILED, WELL, Driver
from tests.sweep.told import SPEC, Told, returned, row
from tune_tasks.sweep.events import AttemptEnded
from tune_tasks.sweep.request import Request


def test_plan_for_people(call_cli):
    assert call_cli("plan", "-f", "spec.yaml") == (
        0,
        (
            "mnist: 4 trials of 0.5 CPUs, 0 GPUs, seed 3\n"
            "  stop: mean_accuracy >= 0.99, mean_loss < 0.1\n"
            " - script_digits_0_activation=relu\n"
            " - script_digits_1_activation=elu\n"
            " - script_digits_2_activation=relu\n"
            " - script_digits_3_activation=elu\n"
        ),
        "",
    )


def test_plan_as_json(call_cli):
    code, out, _ = call_cli("plan", "-f", "spec.yaml", "--json", "--num-trials", "1")
    assert code == 0
    assert json.loads(out) == [
        {
            "experiment": "mnist",
            "index": 0,
            "name": "script_digits_0_activation=relu",
            "config": {"script_file_path": "train.py", "activation": "relu"},
            "resources": {"cpu": 0.5, "gpu": 0, "memory": 0},
            "stop": {"mean_accuracy": 0.99, "mean_loss": "< 0.1"},
            "constraints": {},
        }
    ]


def test_a_plan_of_several_trials_is_one_json_document(call_cli):
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--json")
    document = json.loads(out)
    assert [trial["index"] for trial in document] == [0, 1, 2, 3]
    assert out == json.dumps(document, indent=2) + "\n"


def test_stop_beside_the_files_own(call_cli):
    code, out, _ = call_cli(
        "plan",
        "-f",
        "spec.yaml",
        "--stop",
        '{"mean_accuracy": 0.5, "training_iteration": 3}',
    )
    assert (code, out.splitlines()[1]) == (
        0,
        "  stop: mean_accuracy >= 0.5, mean_loss < 0.1, training_iteration >= 3",
    )


@pytest.fixture
def begun(spec_folder):
    """The id of a sweep of the spec that has died: one of its four trials has ended, two ran."""
    driver = Driver(Request(spec_file=str(spec_folder / "spec.yaml")))
    driver.end()
    driver.die()
    return driver.sweep


def edit(folder, before, after):
    text = (folder / "spec.yaml").read_text()
    assert before in text
    (folder / "spec.yaml").write_text(text.replace(before, after))


def test_an_edited_spec_shows_what_a_sweep_keeps(call_cli, spec_folder, begun):
    edit(spec_folder, "[relu, elu]", "[elu, tanh]")
    edit(spec_folder, 'mean_loss: "< 0.1"', 'mean_loss: "< 0.2"')
    code, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    assert code == 0
    assert out.splitlines()[2:] == [
        "mnist: 1 trials kept, 3 to begin, 2 dropped",
        '  2 dropped: config.activation: "relu" is not searched any more',
        '  stop.mean_loss: "< 0.1" → "< 0.2"',
        '  config.activation.grid_search: ["relu", "elu"] → ["elu", "tanh"]',
        " - script_digits_1_activation=elu: kept, goes on",
        " - script_digits_3_activation=tanh: new",
        " - script_digits_4_activation=elu: new",
        " - script_digits_5_activation=tanh: new",
        ' - script_digits_0_activation=relu: dropped, config.activation: "relu" is not searched any'
        " more",
        ' - script_digits_2_activation=relu: dropped, config.activation: "relu" is not searched any'
        " more",
    ]
    _, out, _ = call_cli("plan", "--resume", begun, "--json")
    changes = {trial["index"]: trial["change"] for trial in json.loads(out)}
    assert changes == {1: "kept", 3: "new", 4: "new", 5: "new", 0: "dropped", 2: "dropped"}


def test_a_spec_that_was_not_edited_goes_on(call_cli, begun):
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    assert out.splitlines()[2:] == [
        "mnist: 3 trials kept, 1 to begin, 0 dropped",
        " - script_digits_0_activation=relu: kept, has ended",
        " - script_digits_1_activation=elu: kept, goes on",
        " - script_digits_2_activation=relu: kept, goes on",
        " - script_digits_3_activation=elu: new",
    ]


def test_failed_trials_that_are_given_another_attempt(call_cli, spec_folder, refusal):
    driver = Driver(Request(spec_file=str(spec_folder / "spec.yaml")))
    driver.end(FAILED)
    driver.end(WELL)
    driver.die()
    wanted = ("plan", "-f", "spec.yaml", "--resume", driver.sweep)
    assert " - script_digits_0_activation=relu: kept, has ended\n" in call_cli(*wanted)[1]
    again = " - script_digits_0_activation=relu: kept, has failed, and has another attempt\n"
    costs = ("--costs", driver.sweep, "--stop", '{"time_total_s": 60}')
    _, out, _ = call_cli(*wanted, "--failed", *costs)
    assert again in out
    assert " - script_digits_1_activation=elu: kept, has ended\n" in out
    assert "(3 trials of at most 1 min 00 s)" in out
    assert "--failed is about a sweep that is resumed" in refusal(*wanted[:3], "--failed")


def test_a_budget_and_how_far_it_is_used(call_cli, spec_folder, begun):
    edit(spec_folder, "mnist:\n", "mnist:\n    budget: {time: 6h, failures: 3}\n")
    _, out, _ = call_cli("plan", "-f", "spec.yaml")
    assert out.splitlines()[2] == "  budget: 6 h, 3 failed trials"
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    so_far = "  budget: 6 h, 3 failed trials; so far 0 of 6 h, 0 of 3 failed trials"
    assert out.splitlines()[2] == so_far
    edit(spec_folder, "time: 6h", "time: 0.5")
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun)
    assert out.splitlines()[2].endswith(
        "so far 0.5 of 0.5 s, 0 of 3 failed trials; budget: 0.5 s are over, no further trial is"
        " started"
    )


def test_running_an_edited_spec_asks_for_consent(refusal, spec_folder, begun):
    edit(spec_folder, "[relu, elu]", "[elu]")
    said = refusal("run", "-f", "spec.yaml", "--resume", begun)
    assert f"the spec is not what the sweep {begun} has run so far" in said
    assert "give --accept-changes" in said


def test_consent_is_about_a_sweep_that_is_resumed(refusal):
    said = refusal("run", "-f", "spec.yaml", "--accept-changes")
    assert "--accept-changes is about a sweep that is resumed: give --resume, too" in said


def test_a_sweep_is_resumed_where_it_began(call_cli, spec_folder, monkeypatch):
    driver = Driver(Request(spec_file="spec.yaml"), cwd=spec_folder)
    driver.die()
    (spec_folder / "elsewhere").mkdir()
    monkeypatch.chdir(spec_folder / "elsewhere")
    where = ("--local-dir", "../tune_results")
    for named in ((driver.sweep,), ("last", "-f", "../spec.yaml")):
        code, out, err = call_cli("plan", "--resume", *named, *where)
        assert (code, err) == (
            0,
            f"Warning: the sweep began in {spec_folder}, and goes on there\n",
        )
        assert "mnist: 2 trials kept, 2 to begin, 0 dropped" in out
        assert Path.cwd() == spec_folder / "elsewhere"


def measured(folder, name, sweep="2026-01-01_00-00-00_aaaa", reports=2):
    """A sweep of an experiment whose first trial has reported."""
    told = Told(folder / "tune_results", sweep, {name: SPEC["exp"]})
    rows = [row(step, mean_loss=0.5) for step in range(1, reports + 1)]
    told.begin(f"{name}/0", *rows)
    told.end(f"{name}/0", returned(reports))
    told.close()
    return told


def test_what_a_plan_may_cost(call_cli, spec_folder, refusal):
    told = measured(spec_folder, "mnist")
    stop = ("--stop", '{"training_iteration": 10}')
    code, out, _ = call_cli("plan", "-f", "spec.yaml", "--costs", "last", *stop)
    assert code == 0
    assert out.splitlines()[2] == (
        "  cost: at most 20 s of trials, 20 s with 1 at once (4 trials of 10 iterations of 0.5 s as in"
        f" {told.sweep})"
    )
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--costs", told.sweep, *stop, "--json")
    assert [trial["at_most_s"] for trial in json.loads(out)] == [5.0] * 4
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--costs", "last")
    assert out.splitlines()[2] == "  cost: unknown: `stop` does not bound training_iteration"
    assert "no sweep 'nope'" in refusal("plan", "-f", "spec.yaml", "--costs", "nope")


def test_last_is_the_last_sweep_that_has_the_experiment(call_cli, spec_folder, refusal):
    wanted = ("plan", "-f", "spec.yaml", "--stop", '{"training_iteration": 10}', "--costs")
    assert "--costs last: no sweep of 'mnist' in " in refusal(*wanted, "last")
    other = measured(spec_folder, "exp", "2026-01-03_00-00-00_cccc")
    said = refusal(*wanted, "last")
    assert f"give the id of another one: {other.sweep} (exp)" in said
    assert f"as in {other.sweep})" in call_cli(*wanted, other.sweep)[1]
    broken = measured(spec_folder, "mnist", "2026-01-04_00-00-00_dddd")
    broken.path.write_text("no journal\n")
    assert refusal(*wanted, "last").endswith("; 1 of 2 journals cannot be read\n")
    mine = measured(spec_folder, "mnist")
    measured(spec_folder, "mnist", "2026-01-02_00-00-00_bbbb", reports=0)
    assert f"as in {mine.sweep})" in call_cli(*wanted, "last")[1]


def test_a_sweep_that_goes_on_costs_what_is_left(call_cli, begun):
    stop = ("--stop", '{"time_total_s": 60}')
    _, out, _ = call_cli("plan", "-f", "spec.yaml", "--resume", begun, "--costs", begun, *stop)
    assert "cost: at most 3 min 00 s of trials (3 trials of at most 1 min 00 s)" in out


WARM = """
mnist:
    seed: 3
    num_trials: 4
    metric: mean_loss
    search: {tpe: {startup_trials: 3}}
    warm_start: {top: 1}
    config: {script_file_path: train.py, lr: {uniform: [0, 1]}}
"""


def test_what_a_sweep_starts_from(call_cli, spec_folder):
    (spec_folder / "spec.yaml").write_text(WARM)
    folder = spec_folder / "tune_results"
    nothing = f"nothing to start from: no earlier sweep of 'mnist' in {folder} has reported"
    assert f"  warm start: {nothing} 'mean_loss'\n" in call_cli("plan", "-f", "spec.yaml")[1]
    driver = Driver(Request(spec_file="spec.yaml"), room=4)
    lr = driver.core.trial("mnist/1").config["lr"]
    for index, loss in enumerate([0.5, 0.25]):
        driver.tell(AttemptEnded(1, f"mnist/{index}", 1, WELL, {"mean_loss": loss}))
    driver.die()
    code, out, _ = call_cli("plan", "-f", "spec.yaml")
    assert code == 0
    assert out.splitlines()[2:] == [
        "  metric: mean_loss min",
        f"  warm start from the sweep {driver.sweep}: 1 config is tried first; tpe is told 2 results",
        f" - script_0_lr={lr:.6g} (as mnist/1 of {driver.sweep})",
        out.splitlines()[5],
        " - mnist: 2 more, proposed by tpe from results",
    ]
    first, second, *_ = json.loads(call_cli("plan", "-f", "spec.yaml", "--json")[1])
    assert first["config_of"] == f"mnist/1 of {driver.sweep}"
    assert "config_of" not in second


def test_a_sweep_that_is_not_there(refusal, spec_folder):
    (spec_folder / "spec.yaml").write_text(WARM.replace("{top: 1}", "{from: nightly}"))
    for command in ("plan", "validate", "run"):
        said = refusal(command, "-f", "spec.yaml")
        assert "spec.yaml:7:24: mnist.warm_start.from: no experiment and no file 'nightly'" in said


def test_a_searcher_of_ones_own_is_nothing_that_the_command_line_can_give(call_cli, spec_folder):
    text = "e: {search: own, metric: m, num_trials: 2, config: {script_file_path: train.py, x: "
    (spec_folder / "spec.yaml").write_text(f"{text}{{uniform: [0, 1]}}}}}}")
    for command in ("plan", "validate"):
        code, _, err = call_cli(command, "-f", "spec.yaml")
        assert (code, err.count("Warning: ")) == (0, 1)
        assert "e: search: own: the command line cannot run it" in err
