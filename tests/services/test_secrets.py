"""A config's secrets reach `train()`, and are nowhere else afterwards."""

import json
import os
from pathlib import Path

import pytest

SECRETS = ["sk-first-4711", "sk-second-4711", "hf_4711", "hunter4711"]
SCRIPT = """
def train(config, status_reporter):
    known = config["api_key"].startswith("sk-") and config["hf_token"].startswith("hf_") and "hunter" in config["db"]["url"]
    print("I know", config["max_tokens"])
    status_reporter(timesteps_total=1, mean_accuracy=float(known))
"""


def holds(path, text):
    return path.is_file() and text.encode() in path.read_bytes()


def test_secrets_are_stored_nowhere(sweep, folder):
    config = {
        "api_key": {"grid_search": SECRETS[:2]},
        "hf_token": SECRETS[2],
        "db": {"url": f"postgresql://me:{SECRETS[3]}@db.example/x"},
        "max_tokens": 64,
    }
    summary = sweep(SCRIPT, config=config)
    assert [trial.metric("mean_accuracy") for trial in summary.trials] == [1, 1]
    assert [trial.name for trial in summary.trials] == [
        "script_env_0_api_key=***",
        "script_env_1_api_key=***",
    ]
    shown = json.dumps(summary.as_json()) + repr(summary) + summary.dataframe().to_csv()
    files = [*folder.rglob("*"), *Path(os.environ["PREFECT_HOME"]).rglob("*")]
    for secret in SECRETS:
        assert secret not in shown
        assert [path for path in files if holds(path, secret)] == []
    # All of them were looked at
    for name in ("params.json", "result.json", "mlflow.db", "spec.yaml", "prefect.db"):
        assert [
            path for path in files if path.name.startswith(name) and holds(path, "max_tokens")
        ], name
    _best_says_what_is_missing(folder)


def _best_says_what_is_missing(folder):
    from tune_tasks.commands.best_spec import best_spec
    from tune_tasks.errors import SpecError
    from tune_tasks.spec.loading import load_spec
    from tune_tasks.sweep.planning import make_plan

    text = best_spec(["exp"], folder)
    assert (
        "# Secrets are not stored: write yours in place of *** in config.api_key, config.hf_token,"
        " config.db.url" in text
    )
    (folder / "best.yaml").write_text(text)
    with pytest.raises(
        SpecError, match=r"best\.yaml:\d+:\d+: exp\.config\.\S+: '\S+' stands for a secret"
    ):
        make_plan(load_spec(folder / "best.yaml"))
