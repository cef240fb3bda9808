"""What MLflow's pages are told: which params the charts get, what a saved view holds, addresses."""

import base64
import json
import posixpath
import re
import zlib

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.results.trials import TrialSummary
from tune_tasks.servers.mlflow_client import run_page, web_address
from tune_tasks.tracking.mlflow_view import (
    SearchedParam,
    best_key,
    chart_params,
    encode_view,
    flat_params,
    is_number,
    renamed,
    renaming_note,
    runs_view,
    safe_key,
    searched_params,
    sweep_view,
    sweeps_view,
    view_path,
)

SEARCHES = {
    "numbers": [{"lr": 10**-i, "layers": i} for i in range(40)],
    "texts": [{"activation": name} for name in ("relu", "elu", "tanh")],
    "a number or a text": [{"lr": 0.1}, {"lr": "auto"}, {"lr": 0.2}],
    "a number or nothing": [{"lr": 0.1}, {"lr": None}, {"lr": 0.2}],
    "numbers written as texts": [{"lr": "0.1"}, {"lr": "1e-3"}, {"lr": 2}],
    "missing in one": [{"opt": {"name": "sgd", "momentum": 0.9}}, {"opt": {"name": "adam"}}],
    "true and false": [{"bias": True}, {"bias": False}],
    "lists": [{"layers": [64, 64]}, {"layers": [64]}],
    "more texts than an axis takes": [{"name": f"n{i}", "lr": i} for i in range(40)],
    "more than an axis takes, and missing": [{"a": {"x": i}, "lr": i} for i in range(40)]
    + [{"a": {}, "lr": 1}],
}


def shown(runs, axes):
    """The runs that MLflow 3.17's parallel coordinates keep.

    The function `fM` of its module 57990, in Python.
    """
    kept = [run for run in runs if all(axis in run for axis in axes)]
    for axis in axes:
        numbers = [run for run in kept if is_number(run[axis])]
        if len(numbers) >= len(kept) / 2:
            kept = numbers
            continue
        texts, left = set(), []
        for run in kept:
            if len(texts) == 30 and run[axis] in texts:
                left.append(run)
            elif len(texts) < 30 and not is_number(run[axis]):
                texts.add(run[axis])
                left.append(run)
        kept = left
    return kept


@pytest.mark.parametrize("searched", SEARCHES.values(), ids=SEARCHES)
def test_parallel_coordinates_show_every_trial(searched):
    params = searched_params(searched)
    runs = [flat_params(config) | chart_params(params, flat_params(config)) for config in searched]
    view = sweep_view("s", params, Objective("mean_loss", "min"))
    (chart,) = [chart for chart in view["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert chart["selectedMetrics"] == ["mean_loss"]
    assert chart["selectedParams"]
    assert shown(runs, chart["selectedParams"]) == runs
    scattered = [
        chart["xaxis"]["key"] for chart in view["compareRunCharts"] if chart["type"] == "SCATTER"
    ]
    assert scattered == chart["selectedParams"]


def test_an_uneven_param_has_a_second_one_for_the_charts():
    searched = SEARCHES["missing in one"]
    params = searched_params(searched)
    assert params == (
        SearchedParam("opt.name", True, False, 2),
        SearchedParam("opt.momentum", False, False, 2),
    )
    extra = [chart_params(params, flat_params(config)) for config in searched]
    assert extra == [{"opt.momentum as text": "=0.9"}, {"opt.momentum as text": "(none)"}]


@pytest.mark.parametrize("text", ["", " 1 ", "-1.5e-3", ".5", "5.", "0x1F", "-Infinity"])
def test_a_number_for_javascript(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["true", "null", "NaN", "inf", "1_000", "[1]", "1 2", "e5", "٣"])
def test_no_number_for_javascript(text):
    assert not is_number(text)


def decoded(value):
    envelope = json.loads(value)
    kind, _, data = envelope["state"].partition(";")
    assert kind == "deflate"
    return (
        envelope["name"],
        envelope["createdAt"],
        json.loads(zlib.decompress(base64.b64decode(data))),
    )


def test_the_view_of_a_sweep():
    params = searched_params([{"lr": 0.1, "act": "relu"}, {"lr": 0.2, "act": "elu"}])
    view = sweep_view("2026_a", params, Objective("grad/norm", "min"), incomplete=True)
    assert decoded(encode_view("Sweep 2026_a", view, 5)) == ("Sweep 2026_a", 5, view)
    assert (
        view["searchFilter"]
        == "tags.`tune_tasks.sweep` = '2026_a' AND tags.`tune_tasks.role` = 'trial'"
    )
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`grad/norm`", True)
    assert view["selectedColumns"][:3] == ["metrics.`grad/norm`", "params.`lr`", "params.`act`"]
    charts = view["compareRunCharts"]
    assert [chart["type"] for chart in charts] == [
        "LINE",
        "PARALLEL",
        "PARALLEL",
        "SCATTER",
        "SCATTER",
    ]
    assert (charts[0]["metricKey"], charts[0]["xAxisKey"]) == ("grad/norm", "step")
    assert (charts[2]["selectedParams"], charts[2]["selectedMetrics"]) == (["lr", "act"], [])
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert {chart["metricSectionId"] for chart in charts} <= {
        section["uuid"] for section in view["compareRunSections"]
    }


def test_a_view_fits_in_its_tag():
    searched = [{f"a_rather_long_name_of_a_param_{i}": i for i in range(200)}]
    assert (
        len(
            encode_view(
                "n",
                sweep_view(
                    "s" * 24,
                    searched_params(searched),
                    Objective("m" * 250, "max"),
                    incomplete=True,
                ),
                0,
            )
        )
        < 5000
    )


def test_the_view_of_all_sweeps():
    view = sweeps_view(Objective("mean_loss", "max"))
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`best/mean_loss`", False)
    assert [(chart["type"], chart["metricKey"]) for chart in view["compareRunCharts"]] == [
        ("LINE", "best/mean_loss"),
        ("BAR", "best/mean_loss"),
    ]


def test_the_view_of_sweeps_with_their_trials():
    view = runs_view(searched_params([{"lr": 0.1}]), Objective.of("mean_loss"))
    assert (view["searchFilter"], view["orderByKey"]) == ("", "attributes.start_time")
    assert view["selectedColumns"][:4] == [
        *(
            "metrics.`best/mean_loss`",
            "metrics.`trials_done`",
            "metrics.`mean_loss`",
            "params.`lr`",
        ),
    ]


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://me:secret@host:1/sub/", "https://host:1/sub"),
        ("sqlite:////tmp/mlflow.db", None),
        ("databricks", None),
        ("/tmp/mlruns", None),
    ],
)
def test_the_address_of_the_pages(uri, address):
    assert web_address(uri) == address


def test_the_path_of_a_view():
    assert (
        view_path("3", "s_1") == "/#/experiments/3/runs?viewStateShareKey=s_1&compareRunsMode=CHART"
    )


def test_the_page_of_a_trials_own_run():
    names = {
        "MLFLOW_TRACKING_URI": "http://user:pw@host/ml/",
        "MLFLOW_EXPERIMENT_ID": "3",
        "MLFLOW_RUN_ID": "abc",
    }
    assert run_page(names) == "http://host/ml/#/experiments/3/runs/abc"
    assert run_page({**names, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}) is None
    assert run_page({}) is None


ODD = [
    *("recall@1", "iou>0.5", "iou<0.5", "学習率(x)", "", "loss\n", "a\ud800", "x" * 251, "x" * 252),
    *("/a//../b", "a//b", "../x", "..x", ".."),
]


@pytest.mark.parametrize(
    "name", ["a/b", "recall_1", "f1:macro", "top-5", "学習率", "a.b", "x" * 250]
)
def test_a_name_that_mlflow_takes_stays(name):
    assert safe_key(name) == name


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_mlflow_refuses_becomes_one_that_it_takes(name):
    key = safe_key(name)
    # MLflow's own check: `mlflow.utils.validation`.
    assert re.fullmatch(r"[/\w.\- :]{1,250}", key)
    assert posixpath.normpath(key) == key
    assert not key.startswith(("..", "/"))
    assert safe_key(key) == key


def test_distinct_names_stay_distinct():
    names = [*ODD, "recall_1", "iou_0.5", "a/b", "x", "_", "loss", "x" * 250]
    assert len({safe_key(name) for name in names}) == len(names)


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
    assert best_key(Objective.of("info.recall@1")) == "best/recall_at_1-e740af"
    view = sweeps_view(Objective("recall@1", "max"))
    assert view["orderByKey"] == "metrics.`best/recall_at_1-e740af`"


def test_params_by_dotted_path():
    assert flat_params({"a": {"b": 1, "c": {}}, "d": [1, "x"]}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": "[1, 'x']",
    }
    assert flat_params({"bias": True, "depth": None, "lr": 1e-5}) == {
        "bias": "True",
        "depth": "None",
        "lr": "1e-05",
    }


def test_of_two_params_with_one_path_none_is_lost():
    assert flat_params({"a.b": 1, "a": {"b": 2}}) == {"a.b-ad44c9": "1", "a.b": "2"}
