"""What a sweep is told about names that MLflow does not take."""

from tune_tasks.model.trial import TrialState
from tune_tasks.results.trials import TrialSummary
from tune_tasks.tracking.mlflow_renaming import renamed, renaming_note


def test_what_is_changed_is_readable_and_told():
    info = {"recall@1": 1, "acc (%)": 1, "f1": 1}
    trial = TrialSummary(
        "e",
        "t",
        0,
        {"iou>0.5": 1, "lr": 1},
        {"lr": 1},
        TrialState.TERMINATED,
        last_result={"info": info},
    )
    changed = renamed([trial, trial])
    assert changed == {
        "iou>0.5": "iou_gt_0.5-be1674",
        "recall@1": "recall_at_1-e740af",
        "acc (%)": "acc _percent-5dac33",
    }
    assert renaming_note(changed).startswith(
        "MLflow does not take some names; there, 'iou>0.5' is 'iou_gt_0.5-be1674', 'recall@1' is"
    )
