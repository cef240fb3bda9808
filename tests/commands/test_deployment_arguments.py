"""The arguments of `deploy` and `serve`, as the draft of a deployment."""

import argparse

import pytest

from tune_tasks.commands.deployment import Timing
from tune_tasks.commands.deployment_arguments import add_deployment_arguments, drafted


@pytest.fixture
def draft(spec_folder):
    """Drafts a deployment of the folder's spec."""
    parser = argparse.ArgumentParser()
    add_deployment_arguments(parser)
    return lambda *flags: drafted(parser.parse_args(["-f", "spec.yaml", *flags]))


def test_what_and_when(draft):
    timing = ("--cron", "0 2 * * *", "--timezone", "Europe/Berlin", "--paused")
    made = draft(*timing, "--name", "nightly", "--tag", "a", "--tag", "b", "--param", "seed=1")
    assert made.timing == Timing(cron="0 2 * * *", timezone="Europe/Berlin")
    assert (made.name, made.tags, made.paused) == ("nightly", ("a", "b"), True)
    assert made.parameters["seed"] == 1


def test_by_default_it_runs_when_asked_to(draft):
    made = draft()
    assert (made.name, made.timing, made.tags, made.paused) == ("spec", Timing(), (), False)


def test_warnings_are_printed(draft, spec_folder, capsys):
    (spec_folder / "spec.yaml").write_text(
        "e: {config: {script_file_path: train.py, api_key: s3cret}}"
    )
    draft()
    assert capsys.readouterr().err.startswith("Warning: e.config.api_key: Prefect stores")


@pytest.mark.parametrize("command", ["deploy", "serve"])
def test_both_commands_refuse_what_makes_no_draft(refusal, command):
    said = refusal(command, "-f", "spec.yaml", "--cron", "every night")
    assert said.startswith("error: --cron: expected five fields (minute, hour,")
