"""A member of a population in MLflow: one current run, and its settings over time."""

import json
from dataclasses import replace

import pytest

from tests.sweep.told import row
from tests.tracking.test_mlflow import LOST, SERVER, Sweep, fake_server, roles
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.testing.samples import EXPERIMENT, RETURNED, make_attempt, make_sweep

EXPLOITED = Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, "rank 4 of 4", reports=2)
SCHEDULE = [0.1, 0.1, 0.3, 0.3, 0.2]


class Member(Sweep):
    """A member that was replaced twice, and whose driver has died between."""

    def __init__(self, folder, server):
        self.now = 0.0
        self.server = server
        sweep = make_sweep(folder, SERVER)
        info = replace(sweep.experiments[EXPERIMENT], changing=("lr",))
        self.sweep = replace(sweep, experiments={EXPERIMENT: info})
        ends = [(2, EXPLOITED), (3, LOST), (4, EXPLOITED), (5, RETURNED)]
        infos = [make_attempt(folder, 0, number) for number in range(1, len(ends) + 1)]
        ended = [self._so_far(each, *end) for each, end in zip(infos, ends, strict=True)]
        self.attempts = {status.info.key: status for status in ended}
        self.start()

    def _so_far(self, info, count, outcome):
        """An attempt's file has the reports of those before it."""
        rows = [
            row(step, mean_loss=1 / step) | {"config": {"lr": lr}}
            for step, lr in enumerate(SCHEDULE[:count], 1)
        ]
        info.folder.mkdir(parents=True, exist_ok=True)
        path = info.folder / "result.json"
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        return AttemptStatus(info, outcome.state, Progress(count, path.stat().st_size), outcome)


@pytest.fixture
def server(monkeypatch):
    return fake_server(monkeypatch)


def schedule(server):
    points = server.runs["experiment/0/4"].points
    return [(point.step, point.value) for point in points if point.key == "config/lr"]


@pytest.mark.parametrize("rows_per_call", [500, 2])
def test_the_current_run_of_a_member_has_its_whole_schedule_each_point_once(
    server, tmp_path, rows_per_call
):
    member = Member(tmp_path, server)
    member.tracker.rows_per_call = rows_per_call
    assert member.serve() is None
    whole = dict(enumerate(SCHEDULE, 1))
    found = schedule(server)
    assert {(1, 0.1), (3, 0.3), (5, 0.2)} <= set(found) <= set(whole.items())
    # A recorder that was started again sends all of it once more, in other pieces perhaps.
    again = Member(tmp_path, server)
    again.start(again=True)
    assert again.serve() is None
    assert len(schedule(server)) == len(set(schedule(server)))
    assert set(found) <= set(schedule(server)) <= set(whole.items())


def test_one_run_of_a_member_has_the_role_of_a_trial(server, tmp_path):
    assert Member(tmp_path, server).serve() is None
    of_attempts = {key: role for key, (role, _) in roles(server).items() if "/0/" in key}
    assert of_attempts == {
        "experiment/0/1": "superseded",
        "experiment/0/2": "superseded",
        "experiment/0/3": "superseded",
        "experiment/0/4": "trial",
    }
