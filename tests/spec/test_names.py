"""Experiments in Ray Tune's words of 2018 to 2023."""

import pytest

from tune_tasks.errors import Location, SpecError
from tune_tasks.spec.loading import load_spec, spec_from_data


def one(**keys):
    spec = spec_from_data({"e": keys})
    return spec.experiments["e"], spec.warnings


def test_the_keys_of_ray_tune():
    experiment, warnings = one(
        run="PPO", num_samples=3, trial_resources={"cpu": 1, "extra_cpu": 4, "extra_gpu": 1}
    )
    assert (
        experiment.alg,
        experiment.num_trials,
        experiment.resources.cpu,
        experiment.resources.gpu,
    ) == ("PPO", 3, 5, 1)
    assert warnings == []
    assert one(alg="PPO", repeat=2)[0].num_trials == 2


def test_what_has_no_effect_is_said_with_its_place(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text(
        "e:\n  local_dir: /tmp/x\n  keep_checkpoints_num: 2\n  resources: {cpu: 2,"
        " driver_cpu_limit: 1}\n"
    )
    assert load_spec(file).warnings == [
        f"{file}:2:3: e.local_dir: the command line says where files go: `--local-dir`",
        f"{file}:3:3: e.keep_checkpoints_num: `checkpoint: {{keep: …}}` says how many are kept",
        (
            f"{file}:4:23: e.resources.driver_cpu_limit: the trial's own process has one CPU, its"
            " workers the rest"
        ),
    ]


def test_ray_tunes_config_of_checkpoints(tmp_path):
    experiment, warnings = one(
        run="PPO",
        checkpoint_config={"checkpoint_frequency": 5, "checkpoint_at_end": True, "num_to_keep": 2},
    )
    assert (experiment.checkpoint_freq, experiment.checkpoint_at_end) == (5, True)
    assert warnings == [
        "e.checkpoint_config.num_to_keep: `checkpoint: {keep: …}` says how many are kept"
    ]
    file = tmp_path / "f.yaml"
    file.write_text("e:\n  checkpoint_config: {checkpoint_frequency: often}\n")
    with pytest.raises(
        SpecError, match=r"f\.yaml:2:45: e\.checkpoint_freq: expected a valid integer, got 'often'"
    ):
        load_spec(file)


def test_num_samples_counts_how_often_the_grid_is_tried():
    grid = {"a": {"grid_search": [1, 2]}, "model": {"b": [{"grid_search": [1, 2, 3]}]}}
    experiment, warnings = one(num_samples=2, config=grid)
    assert experiment.num_trials == 12
    assert warnings == ["e.num_samples: each of the grid's 6 combinations 2 times: 12 trials"]


def test_an_environment_in_config_is_the_experiments():
    experiment, _ = one(run="PPO", config={"env": "CartPole-v1", "lr": 1})
    assert (experiment.env, experiment.config) == ("CartPole-v1", {"lr": 1})
    assert one(config={"env": "mine"})[0].config == {"env": "mine"}  # a script's own


@pytest.mark.parametrize("inside", [False, True])
def test_a_grid_of_environments_is_one_experiment_for_each(inside, tmp_path):
    file = tmp_path / "f.yaml"
    env = "env: {grid_search: [ALE/Pong-v5, CartPole-v1]}"
    rest = f"  config: {{lr: 1, {env}}}\n" if inside else f"  {env}\n  config: {{lr: 1}}\n"
    file.write_text(f"e:\n  run: PPO\n{rest}")
    spec = load_spec(file)
    assert {name: (e.env, e.config) for name, e in spec.experiments.items()} == {
        "e-ALE-Pong-v5": ("ALE/Pong-v5", {"lr": 1}),
        "e-CartPole-v1": ("CartPole-v1", {"lr": 1}),
    }
    assert spec.warnings[0].endswith(
        "one experiment for each environment: e-ALE-Pong-v5, e-CartPole-v1"
    )
    assert all(spec.source.at((name, "alg")).line == 2 for name in spec.experiments)
    assert spec.source.at(("e-CartPole-v1", "config", "lr")) == Location(
        str(file), 3 if inside else 4, 16
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e: {run: PPO, alg: PPO}", "f.yaml:1:5: e.run: says the same as `alg`; give one of them"),
        (
            "e: {num_samples: 1, num_trials: 1}",
            "f.yaml:1:5: e.num_samples: says the same as `num_trials`; give one of them",
        ),
        (
            "e: {run: PPO, env: a, config: {env: b}}",
            "f.yaml:1:32: e.config.env: says the same as `env`; give one of them",
        ),
        (
            "{e: {run: PPO, env: {grid_search: [a]}}, e-a: {run: PPO, env: a}}",
            "f.yaml:1:21: e.env: 'e-a' is another experiment, too; rename one of them",
        ),
        (
            "{e-a: {run: PPO, env: {grid_search: [b]}}, e: {run: PPO, env: {grid_search: [a-b]}}}",
            "f.yaml:1:63: e.env: 'e-a-b' is another experiment, too; rename one of them",
        ),
        (
            "e: {num_samples: many}",
            "f.yaml:1:18: e.num_trials: expected a valid integer, got 'many'",
        ),
        ("e: {run: 5}", "f.yaml:1:10: e.alg: expected a valid string, got 5"),
    ],
)
def test_mistakes_are_named_where_they_are_written(text, message, tmp_path):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "f.yaml")
    assert str(caught.value).removeprefix(f"{tmp_path}/") == message


def test_what_is_no_experiment_is_left_for_the_check_of_its_type():
    with pytest.raises(SpecError, match="e: expected an experiment: a mapping with env"):
        spec_from_data({"e": 5, "f": {"run": "PPO"}})
