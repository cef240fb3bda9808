"""The metrics of stop criteria that no report has had."""

import json

import pytest

from tests.sweep.told import row
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.sweep.unseen import unseen_metrics

CRITERIA = [parse_criterion(name, 1) for name in ("mean_loss", "f1", "training_iteration")]


@pytest.mark.parametrize(
    ("rows", "unseen"),
    [
        ([], ("f1", "mean_loss", "training_iteration")),
        ([row(1, mean_loss=1)], ("f1",)),
        ([row(1, mean_loss=1), row(2, info={"f1": 1}), row(3)], ()),
        ([row(step) for step in range(1_500)], ("f1", "mean_loss")),
    ],
)
def test_all_reports_count(tmp_path, rows, unseen):
    path = tmp_path / "result.json"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    assert unseen_metrics(CRITERIA, path, read_progress(path)) == unseen
