"""The key `budget`: what it says, and what is refused."""

import pytest

from tune_tasks.errors import SpecError
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import Resources
from tune_tasks.spec.budget import Budget, Hours
from tune_tasks.spec.loading import load_spec, spec_from_data

GIVEN = Resources(cpu=4, gpu=0.5)


def budget(**keys):
    spec = spec_from_data({"e": {"metric": "mean_loss", "budget": keys}})
    return spec.experiments["e"].budgeted()


def test_without_anything_there_is_none():
    assert budget() is None
    assert spec_from_data({"e": {}}).experiments["e"].budgeted() is None


def test_what_it_says():
    loss = Objective("mean_loss", "min")
    hours = (Hours("trial hour", 40), Hours("CPU hour", 1), Hours("GPU hour", 0.5))
    assert budget(
        time="6h", trial_hours=40, cpu_hours=1, gpu_hours=0.5, patience=40, goal=0.05, failures=3
    ) == Budget(21_600, hours, 40, 0.05, failures=3, objective=loss)
    assert budget(failures=0.5) == Budget(failure_share=0.5, objective=loss)
    assert [each.weight(GIVEN) for each in hours] == [1, 4, 0.5]


def test_in_words():
    made = budget(time=90, trial_hours=40, cpu_hours=1, patience=1, goal=0.05, failures=3)
    assert list(made.words()) == [
        "90 s",
        "40 trial hours",
        "1 CPU hour",
        "1 trial without a better one",
        "goal mean_loss 0.05",
        "3 failed trials",
    ]
    assert list(budget(failures=0.25).words()) == ["25 % failed of 10 trials or more"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time: 6 hours",
            "3:15: e.budget.time: expected seconds above 0, or a text such as '90s', '30m', '6h' or"
            " '2d', got '6 hours'",
        ),
        ("time: 0", "3:15: e.budget.time: expected seconds above 0, or a text such as "),
        (
            "patients: 3",
            "3:9: e.budget.patients: unknown key; did you mean 'patience'? (known: time,"
            " trial_hours, cpu_hours, gpu_hours, patience, goal, failures)",
        ),
        ("patience: 0", "3:19: e.budget.patience: expected a number greater than or equal to 1"),
        ("gpu_hours: .inf", "3:20: e.budget.gpu_hours: expected a finite number, got inf"),
        (
            "goal: '<= 0.1'",
            "3:15: e.budget.goal: expected a number such as 0.05; the direction follows from"
            " `mode`, got '<= 0.1'",
        ),
        *[
            (
                f"failures: {wrong}",
                "3:19: e.budget.failures: expected a share between 0 and 1 such as 0.5, or a whole"
                " number of trials from 1 on, got ",
            )
            for wrong in ("0", "1.0", "0.0", "-2", "true", "half", "1000001")
        ],
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, message):
    (tmp_path / "f.yaml").write_text(f"e:\n    budget:\n        {text}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "f.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/f.yaml:{message}")
