"""Trials from tables and documents, in the forms that people have."""

import json

import pytest

from tests.spec.test_conditional_spaces import OPTIMIZER
from tests.sweep.test_warm_sources import FIRST, experiment
from tests.sweep.told import Told, failed, returned, row
from tune_tasks.errors import SpecError
from tune_tasks.model.objective import Objective, Objectives
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.search.observation import Fate
from tune_tasks.spec.loading import load_spec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.planning import make_plan
from tune_tasks.sweep.warm_sources import Shelf
from tune_tasks.sweep.warm_tables import read_trials

CONFIG = {
    "optimizer": OPTIMIZER,
    "layers": {"int": [1, 6]},
    "act": {"choice": ["relu", None, True, 7, "7"]},
    "hf_token": {"choice": ["secret", "other"]},
    "fixed": 3,
}


def read(path, text=None, config=CONFIG, metric="mean_loss", name="exp"):
    if text is not None:
        path.write_text(text)
    by = Objectives((Objective.of(metric),))
    return read_trials(path, name, by, SearchSpace(config))


def taken(found):
    return [(trial.values, trial.fate, trial.value) for trial in found.trials]


def test_a_table_of_ones_own(tmp_path):
    text = (
        "optimizer.name,optimizer.lr,layers,act,note,mean_loss\n"
        "adam,1e-3,3,relu,x,0.5\n"
        "sgd,.1,2.0,True,x,0.25\n"
        ",,4,7,x,\n"
        ",,,,,0.1\n"
    )
    found = read(tmp_path / "t.csv", text)
    assert found.source == "t.csv"
    assert taken(found) == [
        (
            {"optimizer.name": "adam", "optimizer.lr": 0.001, "layers": 3, "act": "relu"},
            Fate.FINISHED,
            0.5,
        ),
        (
            {"optimizer.name": "sgd", "optimizer.lr": 0.1, "layers": 2.0, "act": True},
            Fate.FINISHED,
            0.25,
        ),
    ]
    assert [trial.source for trial in found.trials] == ["row 1 of t.csv", "row 2 of t.csv"]
    assert found.notes == [
        "t.csv: columns that are ignored: note",
        "t.csv: 2 rows are ignored: they have not ended, or say nothing of the config",
    ]


@pytest.fixture
def ran(tmp_path):
    """A sweep with a trial that ended well, one that failed, and others that never began."""
    told = Told(tmp_path, FIRST, {"exp": experiment(), "other": experiment()}, room=4)
    told.begin("exp/0", row(1, mean_loss=0.5, info={"f1": 0.75}))
    told.end("exp/0", returned(1))
    told.begin("exp/1", row(1, mean_loss=0.25))
    told.end("exp/1", failed(1))
    told.begin("other/0", row(1, mean_loss=0.125))
    told.end("other/0", returned(1))
    return told.close()


SPACE = {"x": {"uniform": [0, 1]}, "hf_token": "secret"}


def expected(summary, name="exp", metric="mean_loss"):
    ended = [t for e in summary.experiments if e.name == name for t in e.trials if t.last_result]
    fates = {"ERROR": Fate.FAILED, "TERMINATED": Fate.FINISHED}
    return [({"x": t.config["x"]}, fates[str(t.state)], t.metric(metric)) for t in ended]


def test_the_data_frame_of_a_summary(ran, tmp_path):
    path = tmp_path / "all.csv"
    ran.dataframe().to_csv(path)
    assert taken(read(path, config=SPACE)) == expected(ran)
    assert taken(read(path, config=SPACE, name="other")) == expected(ran, "other")
    assert taken(read(path, config=SPACE, metric="info/f1"))[0] == expected(ran, metric="f1")[0]
    assert read(path, config=SPACE).trials[0].source == "exp/0 of all.csv"
    with pytest.raises(ValueError, match="no experiment 'new', but exp, other"):
        read(path, config=SPACE, name="new")


def test_the_table_that_mlflow_has(ran, tmp_path):
    table = ran.experiments[0].dataframe()
    table["config/x"] = table["config/x"].round(9)  # pandas writes ten digits
    rounded = [({"x": round(v["x"], 9)}, *rest) for v, *rest in expected(ran)]
    as_json = table.to_json(orient="split", index=False, default_handler=str)
    assert taken(read(tmp_path / "results.json", as_json, SPACE, name="new")) == rounded
    records = table.to_json(orient="records", default_handler=str)
    assert taken(read(tmp_path / "records.json", records, SPACE, name="new")) == rounded


def test_runs_of_mlflow(tmp_path):
    text = (
        "run_id,status,metrics.mean_loss,params.optimizer.lr,params.layers,params.act,tags.user\n"
        "a,FINISHED,0.5,0.01,3,None,me\n"
        "b,FAILED,,0.02,2,relu,me\n"
        "c,RUNNING,0.7,0.03,1,relu,me\n"
        "d,FINISHED,,,,,me\n"  # a parent run
    )
    found = read(tmp_path / "runs.csv", text)
    assert taken(found) == [
        ({"optimizer.lr": 0.01, "layers": 3, "act": None}, Fate.FINISHED, 0.5),
        ({"optimizer.lr": 0.02, "layers": 2, "act": "relu"}, Fate.FAILED, None),
    ]
    assert "columns that are ignored: run_id, tags.user" in found.notes[0]


def test_the_document_of_run_json(ran, tmp_path):
    document = json.dumps(ran.as_json(), default=list)
    found = read(tmp_path / "run.json", document, SPACE)
    assert taken(found) == expected(ran)
    assert found.trials[0].source == "exp/0 of run.json"
    assert "f1" in found.metrics
    assert taken(read(tmp_path / "run.json", None, SPACE, metric="info.f1"))[0][2] == 0.75


def test_a_setting_that_is_called_as_a_state(tmp_path):
    space = {"state": {"choice": ["FAILED", "b"]}}
    found = read(tmp_path / "t.csv", "state,mean_loss\nFAILED,1\n", space)
    assert taken(found) == [({"state": "FAILED"}, Fate.FINISHED, 1)]


def test_nested_configs(tmp_path):
    rows = [{"config": {"optimizer": {"name": "sgd", "lr": 0.5}, "fixed": 9}, "mean_loss": 1}]
    assert taken(read(tmp_path / "rows.json", json.dumps(rows))) == [
        ({"optimizer.name": "sgd", "optimizer.lr": 0.5}, Fate.FINISHED, 1)
    ]


def test_a_secret_is_masked(tmp_path):
    found = read(tmp_path / "t.csv", "hf_token,layers,mean_loss\nsecret,3,0.5\n")
    assert "secret" not in repr(found)
    assert found.trials[0].values["layers"] == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", "{", "t.json: no JSON: "),
        ("t.json", '{"a": 1}', "expected the document of `run --json`"),
        ("t.json", "[1]", "expected the document of `run --json`"),
        ("t.json", '{"experiments": {"exp": 7}}', "has another form than the document"),
        ("t.json", '{"columns": 1, "data": [1]}', "has another form than the document"),
        (
            "t.json",
            '{"experiments": {"exp": {"trials": [{}]}}}',
            "has another form than the document",
        ),
        ("t.json", "[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_of_another_form(tmp_path, name, text, message):
    with pytest.raises(ValueError, match="json") as raised:
        read(tmp_path / name, text)
    assert message in str(raised.value)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00,")
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("text", ["__import__('os').abort()", "[" * 5_000, "1" * 5_000, "{a: *b}"])
def test_a_text_stays_a_text(tmp_path, text):
    """Nothing of it is executed, and none is more than one value."""
    found = read(tmp_path / "t.csv", f'act,mean_loss\n"{text}",0.5\n')
    (trial,) = found.trials
    assert trial.values["act"] == text or trial.values["act"] == float("inf")


def plan(tmp_path, source, text, **keys):
    (tmp_path / source).write_text(text)
    (tmp_path / "s.py").write_text("def train(config, reporter): ...")
    config = {"script_file_path": "s.py", "x": {"uniform": [0, 1]}}
    spec = {"e": experiment(config=config, warm_start={"from": source}, **keys)}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    return make_plan(load_spec(tmp_path / "spec.json"), shelf=Shelf(tmp_path))


def test_a_file_beside_the_spec_whose_best_is_tried(tmp_path):
    made = plan(tmp_path, "t.csv", "x,mean_loss\n0.5,2\n0.25,1\n0.25,3\n")
    assert [trial.config["x"] for trial in made.experiments[0].trials][:2] == [0.25, 0.5]


def test_a_metric_that_a_file_lacks(tmp_path):
    with pytest.raises(SpecError) as raised:
        plan(tmp_path, "t.csv", "x,mean_los\n0.5,2\n")
    assert "no trial of t.csv has a value of 'mean_loss'; did you mean 'mean_los'?" in str(
        raised.value
    )
    assert "spec.json:1:" in str(raised.value)


def test_the_metrics_of_objectives_and_constraints_have_columns(tmp_path):
    objectives = (Objective("mean_loss", "min"), Objective("ms", "min"))
    by = Objectives(objectives, (parse_criterion("size", "<= 5"),))
    text = "layers,metrics.mean_loss,ms,size,note\n3,0.5,7,10,x\n4,0.25,8,,x\n5,0.1,,4,x\n"
    (tmp_path / "t.csv").write_text(text)
    found = read_trials(tmp_path / "t.csv", "exp", by, SearchSpace(CONFIG))
    assert [(each.value, each.others, each.excesses) for each in found.trials] == [
        (0.5, (7.0,), (1.0,)),
        (0.25, (8.0,), (None,)),
    ]
    assert found.notes[0] == "t.csv: columns that are ignored: note"


def test_a_value_beyond_all_floats_teaches_nothing(tmp_path):
    rows = [{"layers": 3, "mean_loss": 10**400}, {"layers": 4, "mean_loss": 0.5}]
    found = read(tmp_path / "t.json", json.dumps(rows))
    assert [value for _, _, value in taken(found)] == [0.5]
