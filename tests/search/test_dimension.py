"""What a search goes over, as people are shown it."""

from pathlib import Path

import pytest

from tune_tasks.search.dimension import Dimension, dimensions_of
from tune_tasks.spec.domains import Categories, Steps, Unit
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.journal_entries import SweepEntry, entry_from_json, entry_to_json
from tune_tasks.tracking.info import ExperimentInfo

CONFIG = {
    "opt": {
        "choice": [
            {"name": "sgd", "lr": {"loguniform": [1e-3, 1]}},
            {"name": "adam", "lr": {"loguniform": [1e-5, 1e-2]}},
        ]
    },
    "batch": {"choice": [16, 32, 64]},
    "order": {"choice": [64, 16]},
    "layers": {"int": [1, 6]},
    "dropout": {"quniform": [0.0, 0.6, 0.25]},
    "warmup": {"int": [0, {"eval": "spec.config.steps"}]},
    "noise": {"normal": [0, 1]},
    "scale": {"lognormal": [0, 1]},
    "steps": 1000,
    "api_key": {"choice": ["secret-1", "secret-2"]},
    "act": {"grid_search": ["relu", "tanh"]},
}
MADE = dimensions_of(SearchSpace(CONFIG))
BY_NAME = {dimension.name: dimension for dimension in MADE}


def test_every_domain_is_there_but_no_secret():
    assert [(each.name, each.path) for each in MADE] == [
        ("opt.lr", "opt.lr"),
        ("opt.lr#2", "opt.lr"),
        ("opt", "opt"),
        *((name, name) for name in ("batch", "order", "layers", "dropout", "warmup", "noise")),
        ("scale", "scale"),
    ]
    assert "secret" not in repr(MADE)


@pytest.mark.parametrize(
    ("name", "scale", "ends", "is_log"),
    [
        ("opt", Categories(2), None, False),
        ("opt.lr", Unit(), (1e-3, 1), True),
        ("opt.lr#2", Unit(), (1e-5, 1e-2), True),
        ("batch", Steps(0, 2), (16, 64), False),
        ("order", Categories(2), None, False),
        ("layers", Steps(1, 6), (1, 6), False),
        ("dropout", Steps(0, 2), (0.0, 0.6), False),
        ("warmup", Unit(), None, False),
        ("noise", Unit(), None, False),
        ("scale", Unit(), None, True),
    ],
)
def test_a_dimension(name, scale, ends, is_log):
    made = BY_NAME[name]
    assert (made.scale, made.ends(), made.is_log) == (scale, ends, is_log)


@pytest.mark.parametrize("parameter", SearchSpace(CONFIG).parameters, ids=lambda p: p.name)
def test_it_has_the_scale_that_a_searcher_has(parameter):
    made = BY_NAME.get(parameter.name)
    assert made is None or made.scale == parameter.scale


def test_a_key_that_looks_like_the_name_of_a_branch():
    (made,) = dimensions_of(SearchSpace({"lr#2": {"uniform": [0, 1]}}))
    assert made == Dimension("lr#2", "lr#2", "uniform", (0, 1))


def test_the_journal_keeps_it():
    info = ExperimentInfo("e", Path("/f"), 1, 2, {}, dimensions=MADE, search="tpe")
    entry = SweepEntry("s", "", "/", {}, {}, {}, 1, {"e": info})
    again = entry_from_json(entry_to_json(entry))
    assert again.experiments["e"].dimensions == MADE
    assert [each.scale for each in again.experiments["e"].dimensions] == [e.scale for e in MADE]
