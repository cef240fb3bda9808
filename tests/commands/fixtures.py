"""Fixtures for tests of the command line: a folder with a spec, and a call of a command."""

import pytest

from tune_tasks.cli import main

SPEC = """
mnist:
    env: digits
    seed: 3
    num_trials: 4
    resources: {cpu: 0.5}
    stop: {mean_accuracy: 0.99, mean_loss: "< 0.1"}
    config:
        script_file_path: train.py
        activation: {grid_search: [relu, elu]}
"""


@pytest.fixture
def spec_folder(tmp_path, monkeypatch):
    """The working folder, with a spec and a script that must not be executed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "raise SystemExit('executed')\ndef train(config, status_reporter): pass"
    )
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def call_cli(capsys, spec_folder):
    """Runs a command in that folder; returns its exit code, standard output and standard error."""

    def call(*args):
        try:
            code = main(list(args))
        except SystemExit as exc:
            code = exc.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def refusal(call_cli):
    """Runs a command that refuses its input; returns what it says."""

    def call(*args):
        code, out, err = call_cli(*args)
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        return err

    return call
