"""Which command is meant, what the command line refuses, and that no mistake starts anything."""

import pytest

from tune_tasks.cli import COMMANDS

REFUSED = {
    "a misspelt flag": (
        ["-f", "spec.yaml", "--num-trails", "2"],
        (
            "error: `tune-tasks run` has no argument '--num-trails'; did you mean '--num-trials'? "
            "(`tune-tasks run --help` lists them)\n"
        ),
    ),
    "a misspelt command": (
        ["vaildate", "-f", "spec.yaml"],
        (
            "error: `tune-tasks` has no command 'vaildate'; did you mean 'validate'? (its commands:"
            f" {', '.join(COMMANDS)})\n"
        ),
    ),
    "a spec without -f": (
        ["sweep.yaml"],
        (
            "error: `tune-tasks` has no command 'sweep.yaml'; a spec file is given with -f (its"
            f" commands: {', '.join(COMMANDS)})\n"
        ),
    ),
    "a spec without -f, of a command": (
        ["plan", "sweep.yaml"],
        (
            "error: `tune-tasks plan` has no argument 'sweep.yaml'; a spec file is given with -f "
            "(`tune-tasks plan --help` lists them)\n"
        ),
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(refusal, args, message):
    assert refusal(*args).endswith(message)


def test_a_store_of_mlflow_that_cannot_be_used_is_an_error_before_anything_starts(
    call_cli, spec_folder, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (spec_folder / "mlflow.db").write_text("no database " * 100)
    before = sorted(spec_folder.iterdir())
    for args in (("-f", "spec.yaml"), ("best", "--experiment", "mnist"), ("ui",)):
        code, out, err = call_cli(*args)
        assert (code, out) == (1, "")
        assert (
            err
            == f"ServiceError: the MLflow store {spec_folder}/mlflow.db cannot be used: file is not a"
            " database; move it away, or name another store with MLFLOW_TRACKING_URI\n"
        )
    assert {*spec_folder.iterdir()} - {*before} == {spec_folder / ".mlflow.db.lock"}
