"""What `search` may say, and what a plan says of it."""

import pytest

from tune_tasks.errors import SpecError
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.search import Search, parsed_search
from tune_tasks.sweep.planning import make_plan


def train(config, status_reporter): ...


LEARNS = {
    "search": "tpe",
    "metric": "mean_loss",
    "num_trials": 20,
    "config": {"x": {"uniform": [0, 1]}},
}


def plan(**keys):
    spec = spec_from_data({"e": {**LEARNS, **keys}})
    return make_plan(spec, callables={"e": train}, drawn_seed=1)


@pytest.mark.parametrize(
    ("given", "search"),
    [
        ("random", Search()),
        ("tpe", Search("tpe", 16)),
        ({"tpe": {}}, Search("tpe", 16)),
        (
            {"gp": {"startup_trials": 4, "lag": 0, "failures": "ignore"}},
            Search("gp", 4, 0, ignores_failures=True),
        ),
        ("own", Search("own", 0)),
        ({"own": {"startup_trials": 4, "lag": 2}}, Search("own", 4, 2)),
    ],
)
def test_what_it_may_say(given, search):
    assert parsed_search(given) == search


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "tpee",
            "unknown algorithm 'tpee'; did you mean 'tpe'? (known: random, qmc, tpe, gp, cmaes, nsga2, auto, own)",
        ),
        (
            "bayes",
            "unknown algorithm 'bayes'; auto is the nearest (known: random, qmc, tpe, gp, cmaes, nsga2, auto, own)",
        ),
        (
            {},
            "expected one of random, qmc, tpe, gp, cmaes, nsga2, auto, own, or {tpe: {lag: 8}}, got {}",
        ),
        (
            None,
            "expected one of random, qmc, tpe, gp, cmaes, nsga2, auto, own, or {tpe: {lag: 8}}, got None",
        ),
        (
            ["tpe"],
            "expected one of random, qmc, tpe, gp, cmaes, nsga2, auto, own, or {tpe: {lag: 8}}, got [",
        ),
        ({"tpe": 5}, "tpe: expected a mapping of options, got 5"),
        (
            {"tpe": {"lagg": 5}},
            "tpe.lagg: unknown option; did you mean 'lag'? (known: startup_trials, lag, failures)",
        ),
        (
            {"tpe": {"startup_trials": 0}},
            "tpe.startup_trials: expected a number greater than or equal to 1, got 0",
        ),
        ({"tpe": {"failures": "best"}}, "tpe.failures: expected 'worst' or 'ignore', got 'best'"),
        (
            {"own": {"failures": "ignore"}},
            "own.failures: unknown option (known: startup_trials, lag)",
        ),
        ({"qmc": {"lag": 5}}, "qmc learns nothing: it has no options"),
    ],
)
def test_what_it_may_not_say(given, message, tmp_path):
    with pytest.raises(SpecError) as raised:
        spec_from_data({"e": {"search": given}})
    assert str(raised.value).startswith((f"e.search: {message}", f"e.search.{message}"))


def test_a_mistake_has_its_place(tmp_path):
    (tmp_path / "spec.yaml").write_text("e:\n  num_trials: 2\n  search: tpee\n")
    with pytest.raises(SpecError) as raised:
        load_spec(tmp_path / "spec.yaml")
    assert "spec.yaml:3:11: e.search: unknown algorithm 'tpee'" in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric": None}, "tpe learns from the metric; name it: metric: mean_loss"),
        ({"num_trials": None}, "tpe goes on as long as it is asked; say how many trials"),
        ({"config": {"x": 1}}, "tpe chooses the values of domains, such as {uniform: [0, 1]}"),
        ({"search": "cmaes", "config": {"x": {"choice": ["a"]}}}, "cmaes sees numbers alone"),
    ],
)
def test_what_it_needs(keys, message):
    with pytest.raises(SpecError) as raised:
        plan(**keys)
    assert str(raised.value).startswith(f"e.search: {message}")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{unifrom: [0, 1]}", "did you mean 'uniform' in place of 'unifrom'?"),
        ("{log_uniform: [1, 2]}", "did you mean 'loguniform' in place of 'log_uniform'?"),
        ("{int: [1, 9], step: 2}", "'int' stands alone, or beside 'when'; not with 'step'"),
        (
            "{uniform: [0, 1], wen: {b: 1}}",
            "'uniform' stands alone, or beside 'when'; not with 'wen'",
        ),
    ],
)
@pytest.mark.parametrize("needs", ["search: tpe", "scheduler: pbt", "warm_start: {}"])
def test_what_was_meant_as_the_only_domain_has_its_place(needs, value, said, tmp_path):
    config = f"  config:\n    script_file_path: t.py\n    a: {value}\n"
    text = f"e:\n  metric: mean_loss\n  num_trials: 8\n  {needs}\n{config}"
    (tmp_path / "t.py").write_text("def train(config, status_reporter): ...")
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError) as raised:
        make_plan(load_spec(tmp_path / "spec.yaml"))
    first, second = str(raised.value).splitlines()
    assert f"spec.yaml:4:3: e.{needs.partition(':')[0]}: " in first
    assert first.endswith("config has none")
    assert second == f"{tmp_path}/spec.yaml:7:8: e.config.a: nothing is searched here: {said}"


def test_the_first_trials_are_known_and_the_others_are_not():
    document = list(plan(search={"tpe": {"startup_trials": 4}}).as_json())
    assert [each["config"] is None for each in document] == [False] * 4 + [True] * 16
    assert {each.get("proposed_by") for each in document[4:]} == {"tpe"}
    assert document[4]["name"] == "script_4"
    values = [each["config"]["x"] for each in document[:4]]
    assert sorted(int(value * 4) for value in values) == [0, 1, 2, 3]  # they cover the space


def test_every_cell_of_a_grid_starts_at_the_same_points():
    grid = {"x": {"uniform": [0, 1]}, "kind": {"grid_search": ["a", "b"]}}
    document = list(plan(search={"tpe": {"startup_trials": 3}}, config=grid).as_json())
    known = [each["config"] for each in document if each["config"]]
    assert [config["kind"] for config in known] == ["a", "b"] * 3
    assert [config["x"] for config in known[::2]] == [config["x"] for config in known[1::2]]


def test_points_that_cover_the_space_need_no_results():
    values = [trial.config["x"] for trial in plan(search="qmc", num_trials=16).trials()]
    assert sorted(int(value * 16) for value in values) == list(range(16))


def test_what_is_drawn_is_not_searched_and_that_is_said():
    config = {"x": {"uniform": [0, 1]}, "y": {"eval": "random.random()"}, "z": {"eval": "2 + 2"}}
    (warning,) = plan(config=config).warnings
    assert warning == "e.config.y: it is drawn, not searched; {uniform: [0, 1]} is searched"


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("10 ** random.uniform(-4, -1)", "{loguniform: [0.0001, 0.1]} is searched"),
        ("random.randint(0, spec.config.n)", '{int: [0, {"eval": "spec.config.n"}]} is searched'),
        ("random.random() ** 2", "a domain such as {uniform: [0, 1]} is searched"),
    ],
)
def test_how_what_is_drawn_is_written_as_a_domain(source, form):
    config = {"x": {"uniform": [0, 1]}, "n": 3, "y": {"eval": source}}
    (warning,) = plan(config=config).warnings
    assert f"; {form}" in warning


def test_a_secret_that_is_drawn_is_not_shown():
    config = {"x": {"uniform": [0, 1]}, "api_key": {"eval": "random.choice(['s3cret', 'other'])"}}
    (warning,) = plan(config=config).warnings
    assert "api_key: it is drawn, not searched; a domain such as" in warning


def test_a_model_that_would_never_be_asked_is_a_warning():
    (warning,) = [w for w in plan(num_trials=16).warnings if "num_trials" in w]
    assert "tpe proposes none of them: the first 16 are spread over the space" in warning
    assert not [w for w in plan(num_trials=17).warnings if "num_trials" in w]
