"""Paths in nested data."""

import pytest

from tune_tasks.model.paths import dotted, leaves, nodes

TREE = {"model": {"layers": [8, {"act": "relu"}], "empty": {}}, "shape": (1,)}


@pytest.mark.parametrize(
    ("path", "text"), [((), ""), (("lr",), "lr"), (("model", "layers", 0), "model.layers.0")]
)
def test_a_path_as_users_write_it(path, text):
    assert dotted(path) == text


def test_every_node_comes_after_the_one_that_holds_it():
    found = dict(nodes(TREE))
    assert list(found) == [
        (),
        ("model",),
        ("model", "layers"),
        ("model", "layers", 0),
        ("model", "layers", 1),
        ("model", "layers", 1, "act"),
        ("model", "empty"),
        ("shape",),
        ("shape", 0),
    ]
    assert found[()] is TREE


def test_leaves_are_neither_mappings_nor_lists():
    assert dict(leaves(TREE)) == {
        ("model", "layers", 0): 8,
        ("model", "layers", 1, "act"): "relu",
        ("shape", 0): 1,
    }


def test_a_single_value_is_its_own_leaf():
    assert list(leaves("text")) == [((), "text")]
