"""From a spec to what would run: scripts, seeds, order, warnings; and nothing of it executed."""

import copy
import itertools

import pytest

from tune_tasks.cluster.nodes import Cluster, Node
from tune_tasks.errors import SpecError, UsageError
from tune_tasks.model.trial import Resources
from tune_tasks.spec import expansion
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.sweep.planning import make_plan


def train(config, status_reporter):
    pass


def plan(spec, **keys):
    return make_plan(spec_from_data(spec), callables=dict.fromkeys(spec, train), **keys)


def plan_file(folder, text, **keys):
    (folder / "f.yaml").write_text(text)
    return make_plan(load_spec(folder / "f.yaml"), **keys)


def test_a_plan_is_bounded_in_time_and_memory(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("def train(config, reporter): pass")
    text = (
        "b:\n  num_trials: 10000\n  config: {script_file_path: train.py, x: {eval:"
        " 'range(5000)'}}\n"
    )
    monkeypatch.setattr(PlanBudget.__init__, "__defaults__", (10**9, 20_000))
    with pytest.raises(
        SpecError,
        match=(
            r"f.yaml:3:3: b.config: the trials of this spec hold more than 20,000,000 values; ask"
            r" for fewer"
        ),
    ):
        plan_file(tmp_path, text)
    monkeypatch.setattr(PlanBudget.__init__, "__defaults__", (20_000, 10**9))
    with pytest.raises(
        SpecError,
        match=r"b.config: the trials of this spec take more than 50,000,000 steps to plan",
    ):
        plan_file(tmp_path, text)


@pytest.mark.parametrize(
    "config",
    [
        {"x": {"eval": "range(500)"}},
        {"x": {"eval": "str(range(500))"}},
        {"x": [[0] * 50] * 20},
        {"y": {"grid_search": ["z" * 9_999]}},
    ],
)
def test_what_many_trials_hold_is_counted_wherever_it_comes_from(config, monkeypatch):
    monkeypatch.setattr(PlanBudget.__init__, "__defaults__", (10**9, 10_000))
    plan({"a": {"num_trials": 1, "config": config}})
    with pytest.raises(SpecError, match="hold more than"):
        plan({"a": {"num_trials": 100, "config": config}})


def test_several_experiments_share_the_bounds(monkeypatch):
    monkeypatch.setattr(PlanBudget.__init__, "__defaults__", (10**9, 15_000))
    plan({"a": {"num_trials": 1000}})
    with pytest.raises(SpecError, match=r"^b.config: the trials of this spec hold"):
        plan({"a": {"num_trials": 1000}, "b": {"num_trials": 1000}})


def test_a_grid_of_astronomical_size():
    config = {f"k{i}": {"grid_search": [1, 2]} for i in range(2_000)}
    with pytest.raises(SpecError, match=r"its grid has more than 1e\+30 combinations"):
        plan({"a": {"config": config}})
    assert (
        "of the grid's more than 1e+30 combinations"
        in plan({"a": {"num_trials": 1, "config": config}}).warnings[0]
    )


def test_warnings_have_their_place_and_come_once(tmp_path):
    (tmp_path / "train.py").write_text("def train(config, reporter): pass")
    text = (
        "_t: &t\n  a: on\n  b: {values: [1]}\n  c: $HOME\ne: {config: {<<: *t, script_file_path:"
        " train.py}}\n"
    )
    warnings = [w.removeprefix(f"{tmp_path}/") for w in plan_file(tmp_path, text).warnings]
    assert [w.partition(": ")[0] for w in warnings] == ["f.yaml:2:6", "f.yaml:3:6", "f.yaml:4:6"]
    many = plan_file(
        tmp_path, f"e: {{config: {{script_file_path: train.py, a: [{'$X, ' * 1000}]}}}}"
    ).warnings
    assert (len(many), many[-1]) == (51, "… 950 more warnings")


def test_planning_makes_no_trial(monkeypatch):
    def trial(**_):
        raise AssertionError("a trial was made")

    monkeypatch.setattr(expansion, "Trial", trial)
    grid = {key: {"grid_search": list(range(10))} for key in "abc"}
    made = plan({"e": {"config": grid}})
    made.expect_to_fit(Cluster([Node("here", cpu=1)]))
    assert (made.sizes(), len(made.experiments[0].trials)) == ({Resources()}, 1000)
    with pytest.raises(AssertionError):
        next(made.trials())


def test_an_eval_that_fails_late_is_found_by_planning():
    with pytest.raises(SpecError, match=r"e\.config\.x\.eval: .* \(trial 700\)"):
        plan({"e": {"num_trials": 1000, "config": {"x": {"eval": "1 / (_i - 700)"}}}})


GRID = {"config": {"a": {"grid_search": [1, 2, 3]}}}


def test_the_experiments_are_interleaved():
    made = plan({"one": GRID, "two": {}, "three": {"num_trials": 2}})
    assert [trial.key for trial in made.trials()] == [
        "one/0",
        "two/0",
        "three/0",
        "one/1",
        "three/1",
        "one/2",
    ]
    assert [made.experiment_of(trial).name for trial in made.trials()][:3] == [
        "one",
        "two",
        "three",
    ]


def test_where_the_seed_comes_from():
    seeded = {"a": {"seed": 5}, "b": {}}
    assert [e.seed for e in plan(seeded, seed=9).experiments] == [9, 9]
    first, second = plan(seeded), plan(seeded)
    assert [first.experiments[0].seed, second.experiments[0].seed] == [5, 5]
    assert first.experiments[1].seed != second.experiments[1].seed
    drawn = first.experiments[1].seed
    again = plan(seeded, seed=drawn)
    assert list(again.experiments[1].trials) == list(first.experiments[1].trials)


def test_each_trial_of_each_experiment_has_its_own_seed():
    seeds = [trial.seed for trial in plan({"a": GRID, "b": GRID}, seed=1).trials()]
    assert len(set(seeds)) == 6


def test_num_trials_can_be_given():
    assert len(plan({"e": {**GRID, "num_trials": 2}}, num_trials=7).experiments[0].trials) == 7


def test_what_is_given_beside_the_spec_is_recorded_in_it():
    spec = {"a": {"stop": {"mean_loss": 1, "mean_accuracy": 0.9}, "num_trials": 2}, "b": {}}
    before = copy.deepcopy(spec)
    made = plan(spec, stop={"mean_loss": 0.5}, seed=3, num_trials=1)
    assert made.source == {
        "a": {"stop": {"mean_loss": 0.5, "mean_accuracy": 0.9}, "num_trials": 1, "seed": 3},
        "b": {"stop": {"mean_loss": 0.5}, "num_trials": 1, "seed": 3},
    }
    assert made.given == spec == before
    assert plan(spec).source == spec


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"num_trials": 0}, "num_trials: expected a whole number from 1 to 1,000,000, got 0"),
        ({"seed": -1}, "seed: expected a whole number from 0 to 2**63 - 1, got -1"),
        ({"seed": 2**63}, f"seed: expected a whole number from 0 to 2**63 - 1, got {2**63}"),
    ],
)
def test_arguments_out_of_range(keys, message):
    with pytest.raises(UsageError) as caught:
        plan({"e": {}}, **keys)
    assert str(caught.value) == message


OBJECTIVES = "objectives: {acc: max, ms: min}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("search: cmaes", "search: cmaes learns from one metric; of several objectives learn"),
        ("search: nsga2", "search: nsga2 goes on as long as it is asked; say how many trials"),
        ("scheduler: asha", "scheduler: asha compares trials by one metric while they run, and"),
        ("scheduler: plateau", "scheduler: plateau compares trials by one metric while they run"),
    ],
)
def test_what_does_not_go_together_with_several_objectives_is_refused(tmp_path, keys, message):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    text = f"e:\n  {keys}\n  {OBJECTIVES}\n  config: {{script_file_path: s.py, a: {{int: [1, 9]}}}}"
    with pytest.raises(SpecError, match=f"f.yaml:2:3: e.{message}"):
        plan_file(tmp_path, text)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("nsga2", "nsga2 crosses configs that have the same settings, nothing conditional"),
        ("gp", "gp draws what is conditional at random; use tpe"),
    ],
)
def test_who_cannot_search_what_is_conditional_is_refused(tmp_path, algorithm, message):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    config = "{script_file_path: s.py, a: {int: [1, 9]}, b: {int: [1, 2], when: {a: 3}}}"
    text = f"e:\n  search: {algorithm}\n  num_trials: 9\n  metric: m\n  config: {config}"
    with pytest.raises(SpecError, match=message):
        plan_file(tmp_path, text)


def test_a_plain_number_for_a_constraint_is_a_warning_that_says_which_side_it_means(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    text = "e:\n  constraints: {latency: 20, size: '<= 5', mean_los: '< 1'}\n  config: {"
    made = plan_file(tmp_path, text + "script_file_path: s.py}")
    file = tmp_path / "f.yaml"
    assert made.warnings == [
        (
            f"{file}:2:44: e.constraints.mean_los: no metric of TrainingResult; did you mean"
            " 'mean_loss'?"
        ),
        (
            f"{file}:2:26: e.constraints.latency: it means latency >= 20; write '<= 20' or '>= 20'"
            " to say so"
        ),
    ]


def test_a_condition_that_no_trial_can_meet_is_a_warning(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    setting = "{int: [1, 3], when: {layers: '2'}}"
    config = f"script_file_path: s.py, layers: {{choice: [1, 2]}}, width: {setting}"
    assert plan_file(tmp_path, f"e:\n  num_trials: 2\n  config: {{{config}}}").warnings == [
        f"{tmp_path / 'f.yaml'}:3:75: e.config.width.when: layers is never '2'; write 2"
    ]


def test_a_metric_that_sounds_like_a_loss_and_has_no_mode_is_a_warning(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    text = "e:\n  metric: val_error\n  stop: {val_rmse: 2}\n  config: {script_file_path: s.py}\n"
    file = tmp_path / "f.yaml"
    assert plan_file(tmp_path, text).warnings == [
        (
            f"{file}:2:11: e.metric: of 'val_error' the greatest value is the best; write mode: min,"
            " or mode: max, to say so"
        ),
        f"{file}:3:20: e.stop.val_rmse: it means val_rmse >= 2; write '<= 2' or '>= 2' to say so",
    ]
    said = text.replace("metric: val_error", "mode: max\n  metric: val_error").replace(
        "{val_rmse: 2}", "{val_rmse: '<= 2'}"
    )
    assert plan_file(tmp_path, said).warnings == []


def test_warnings(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    text = (
        "e:\n  num_trials: 2\n  stop: {mean_acuracy: 1, my_metric: 1, val_loss: 1, mean_loss: 1}\n "
        " config:\n"
    )
    made = plan_file(tmp_path, text + "    script_file_path: s.py\n    a: {grid_search: [1, 2, 3]}")
    file = tmp_path / "f.yaml"
    assert made.warnings == [
        f"{file}:2:15: e.num_trials: 2 of the grid's 3 combinations are tried",
        (
            f"{file}:3:10: e.stop.mean_acuracy: no metric of TrainingResult; did you mean"
            " 'mean_accuracy'?"
        ),
    ]


def test_what_says_how_far_a_trial_is_and_is_nearly_a_metric_is_a_warning(tmp_path):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    asha = "{asha: {time_attr: trainig_iteration, max_t: 9}}"
    text = f"e:\n  metric: m\n  scheduler: [plateau, {asha}]\n  config: {{script_file_path: s.py}}"
    assert plan_file(tmp_path, text).warnings == [
        f"{tmp_path / 'f.yaml'}:3:43: e.scheduler.1.asha.time_attr: 'trainig_iteration' is no"
        " metric of TrainingResult; did you mean 'training_iteration'?"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "e: {alg: scripts}",
            (
                "f.yaml:1:10: e.alg: no algorithm is named 'scripts'; did you mean 'script'?"
                " (known: script"
            ),
        ),
        (
            "e: {alg: PP0}",
            (
                "f.yaml:1:10: e.alg: no algorithm is named 'PP0'; did you mean 'PPO'? (known:"
                " script, PPO, "
            ),
        ),
        pytest.param(
            "e: {alg: PPO}",
            "f.yaml:1:4: e.env: PPO needs an environment, e.g. CartPole-v1 or module:Class",
            marks=pytest.mark.rllib,
        ),
        (
            "e: {config: {script_file_path: s.py}, checkpoint_freq: 5}",
            (
                "f.yaml:1:39: e.checkpoint_freq: it is for RLlib's algorithms; a script"
                " writes its own"
            ),
        ),
        (
            "e: {config: {script_file_path: s.py}, restore: x}",
            "f.yaml:1:39: e.restore: it is for RLlib's algorithms; a script",
        ),
        (
            "e: {}",
            (
                "f.yaml:1:4: e.config.script_file_path: expected the path of the training script,"
                " got None"
            ),
        ),
        (
            "e: {config: {script_file_path: [1]}}",
            "f.yaml:1:32: e.config.script_file_path: expected the path of the training",
        ),
        (
            "e: {config: {script_file_path: x.py}}",
            "f.yaml:1:32: e.config.script_file_path: no file 'x.py'; looked at ",
        ),
        (
            "e: {config: {script_file_path: s.py, script_entrypoint: tarin}}",
            (
                "f.yaml:1:57: e.config.script_entrypoint: s.py has no 'tarin'; did you mean"
                " 'train'? (its functions: train)"
            ),
        ),
        (
            "e: {config: {script_file_path: s.py, a: {eval: 'random.unifrom(0, 1)'}}}",
            (
                "f.yaml:1:48: e.config.a.eval: random.unifrom is not a function of the eval"
                " language; did you mean 'random.uni"
            ),
        ),
        (
            "e: {config: {script_file_path: s.py, a: {eval: 'spec.config.b'}}}",
            "f.yaml:1:48: e.config.a.eval: spec.config has no 'b' (trial 0)",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, text, message):
    (tmp_path / "s.py").write_text("def train(config, status_reporter): ...")
    with pytest.raises(SpecError) as caught:
        plan_file(tmp_path, text)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(message)


def test_a_grid_without_end_is_refused():
    grid = {"grid_search": list(range(100))}
    with pytest.raises(
        SpecError, match="config: its grid has 10,000,000,000,000,000 combinations; give num_trials"
    ):
        plan({"e": {"config": {f"k{i}": grid for i in range(8)}}})
    assert (
        len(
            plan({"e": {"num_trials": 3, "config": {f"k{i}": grid for i in range(8)}}})
            .experiments[0]
            .trials
        )
        == 3
    )


def test_nothing_is_executed(tmp_path):
    (tmp_path / "s.py").write_text("open('ran', 'w')\ndef train(config, status_reporter): ...")
    made = plan_file(tmp_path, f"e: {{config: {{script_file_path: {tmp_path}/s.py}}}}")
    assert len(made.experiments[0].trials) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.yaml", "s.py"]


def test_the_document_of_2017(tmp_path):
    (tmp_path / "mnist.py").write_text("def train(config, status_reporter): ...")
    config = "{script_file_path: mnist.py, activation: {grid_search: [relu, elu, tanh]}}"
    text = f"tune_mnist: {{env: mnist, num_trials: 10, config: {config}}}"
    names = [trial.name for trial in plan_file(tmp_path, text).trials()]
    cycle = itertools.cycle(["relu", "elu", "tanh"])
    assert names == [
        f"script_mnist_{i}_activation={value}" for i, value in zip(range(10), cycle, strict=False)
    ]


def test_secrets_are_in_the_trials_alone():
    made = plan({"e": {"config": {"api_key": {"grid_search": ["one", "two"]}, "max_tokens": 8}}})
    assert [trial.config["api_key"] for trial in made.trials()] == ["one", "two"]
    assert [trial.name for trial in made.trials()] == [
        "script_0_api_key=***",
        "script_1_api_key=***",
    ]
    assert len({trial.folder for trial in made.trials()}) == 2
    assert [shown["config"] for shown in made.as_json()] == [
        {"api_key": "***", "max_tokens": 8}
    ] * 2


def test_what_stands_for_a_secret_is_none(tmp_path):
    text = "e:\n  config:\n    script_file_path: 'm:f'\n    keys: [1, {api_key: '***'}]\n"
    with pytest.raises(
        SpecError, match=r"f\.yaml:4:\d+: e\.config\.keys\.1\.api_key: '\*\*\*' stands for a secret"
    ) as caught:
        plan_file(tmp_path, text)
    assert "write the secret itself" in str(caught.value)


def test_a_message_does_not_show_a_secret():
    with pytest.raises(SpecError) as caught:
        plan({"e": {"config": {"api_key": {"grid_search": "s3cret"}}}})
    assert (
        str(caught.value)
        == "e.config.api_key.grid_search: expected a list of at least one value, got '***'"
    )
