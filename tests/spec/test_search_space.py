"""Search spaces to trials, by properties."""

import copy
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune_tasks.errors import ExpressionError, Location, SpecError
from tune_tasks.model.paths import dotted
from tune_tasks.spec.expansion import Expansion, derive_seed
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.search_space import SearchSpace

EVALS = [
    "_i",
    "random.random()",
    "np.random.uniform(0, 1)",
    "[random.randint(1, 9), {'k': _i}]",
    "'x' * 2",
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, "relu", "", "eval"])
)
DOMAINS = [
    {"uniform": [0, 1]},
    {"logint": [1, 64]},
    {"quniform": [0, 1, 0.05]},
    {"normal": [0, {"eval": "_i + 1"}]},
    {"choice": ["relu", None, [1, 2]]},
]
DRAWN = st.sampled_from(EVALS).map(lambda text: {"eval": text}) | st.sampled_from(DOMAINS)
MARKERS = {"grid_search", "eval", *(marker for domain in DOMAINS for marker in domain)}
OPTIONS = st.recursive(
    SCALARS | DRAWN,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2)
    ),
    max_leaves=3,
)
GRIDS = st.lists(OPTIONS, min_size=1, max_size=3).map(lambda options: {"grid_search": options})
NODES = st.recursive(
    SCALARS | DRAWN | GRIDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=6,
)
CONFIGS = st.dictionaries(st.sampled_from(["lr", "model", "a", "B", "z"]), NODES, max_size=4)


def trials(config, seed=7, **keys):
    spec = spec_from_data({"exp": {"env": "mnist", "config": config, **keys}}).experiments["exp"]
    return list(Expansion("exp", spec, SearchSpace(spec.config), seed))


def configs(config, **keys):
    return [trial.config for trial in trials(config, **keys)]


def walk(node, path=()):
    yield path, node
    children = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, child in children:
        yield from walk(child, (*path, key))


def grids_of(config):
    """Each grid with its dotted path, sorted, looked for without the code under test."""
    found = [
        (path, node["grid_search"])
        for path, node in walk(config)
        if isinstance(node, dict) and "grid_search" in node
    ]
    return sorted(found, key=lambda item: ".".join(map(str, item[0])))


@pytest.mark.long
@given(CONFIGS, st.integers(1, 12))
def test_num_trials_is_the_exact_count(config, count):
    assert len(trials(config, num_trials=count)) == count
    assert [trial.index for trial in trials(config, num_trials=count)] == list(range(count))


@given(CONFIGS)
def test_without_num_trials_the_whole_grid_once(config):
    assert SearchSpace(config).grid_size == math.prod(
        len(options) for _, options in grids_of(config)
    )


@pytest.mark.long
@given(CONFIGS, st.integers(0, 2**40))
def test_nothing_unresolved_remains_and_the_input_is_unchanged(config, index):
    before = copy.deepcopy(config)
    space = SearchSpace(config)
    first = space.resolve(index, "stream")
    resolved, searched = first.config, first.searched
    for _, node in walk([resolved, searched]):
        assert not (isinstance(node, dict) and node.keys() & MARKERS)
        assert node is None or type(node) in (bool, int, float, str, list, dict)
    expected = copy.deepcopy(resolved)
    for _, node in list(walk(resolved)):  # what train() does to its config changes no other trial's
        if isinstance(node, (list, dict)):
            node.clear()
    assert config == before
    assert space.resolve(index, "stream").config == expected


@given(CONFIGS)
def test_the_searched_keys_by_dotted_path_sorted(config):
    marked = [
        path for path, node in walk(config) if isinstance(node, dict) and node.keys() & MARKERS
    ]
    paths = [path for path in marked if not MARKERS & set(path)]
    third = SearchSpace(config).resolve(3, "s")
    resolved, searched = third.config, third.searched
    assert list(searched) == sorted(".".join(map(str, path)) for path in paths)
    for path in paths:
        value = resolved
        for part in path:
            value = value[part]
        assert searched[dotted(path)] == value


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from(["b", "a", "Z", "m"]), st.integers(1, 4), min_size=1),
    st.integers(0, 100),
)
def test_the_first_path_varies_fastest(sizes, index):
    config = {
        key: {"grid_search": [f"{key}{i}" for i in range(size)]} for key, size in sizes.items()
    }
    keys = sorted(sizes)
    columns = itertools.product(
        *([f"{key}{i}" for i in range(sizes[key])] for key in reversed(keys))
    )
    combinations = [dict(zip(reversed(keys), values, strict=True)) for values in columns]
    assert configs(config) == combinations
    resolved = SearchSpace(config).resolve(index, "s")
    assert resolved.config == combinations[index % len(combinations)]


def test_the_sort_is_by_the_dotted_path():
    config = {
        "m": {"z": {"grid_search": [1, 2]}},
        "l": [0, {"grid_search": [3, 4]}],
        "m.a": {"grid_search": [5, 6]},
    }
    assert [(c["l"][1], c["m.a"], c["m"]["z"]) for c in configs(config)][:5] == [
        (3, 5, 1),
        (4, 5, 1),
        (3, 6, 1),
        (4, 6, 1),
        (3, 5, 2),
    ]
    assert trials(config)[1].name == "script_mnist_1_l.1=4_m.a=5_m.z=1"


@pytest.mark.long
@given(CONFIGS, st.integers(0, 2**63 - 1), st.randoms())
def test_the_same_seed_gives_the_same_values_in_any_order(config, seed, shuffler):
    space = SearchSpace(config)
    order = list(range(6))
    shuffler.shuffle(order)
    values = {i: space.resolve(i, f"{seed}/{i}") for i in order}
    again = SearchSpace(copy.deepcopy(config))
    assert [again.resolve(i, f"{seed}/{i}") for i in range(6)] == [values[i] for i in range(6)]


@pytest.mark.long
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_another_seed_gives_others(one, other):
    config = {"lr": {"eval": "random.random()"}, "n": {"eval": "np.random.uniform(0, 1)"}}
    first, second = trials(config, one, num_trials=3), trials(config, other, num_trials=3)
    drawn = [value for trial in first + second for value in (*trial.config.values(), trial.seed)]
    assert len(set(drawn)) == (18 if one != other else 9)
    assert all(0 <= trial.seed < 2**32 for trial in first)


def test_the_seeds_do_not_drift():
    (trial,) = trials({"lr": {"eval": "random.random()"}}, 7)
    assert (trial.seed, trial.config) == (2452359603, {"lr": 0.7094013550954313})
    assert derive_seed(7, "exp/0/trial") == trial.seed


@pytest.mark.parametrize(
    ("keys", "config", "name"),
    [
        ({}, {"activation": {"grid_search": ["relu"]}}, "script_mnist_0_activation=relu"),
        (
            {},
            {"b": {"grid_search": [1]}, "a": {"eval": "2 / 4"}, "c": 3},
            "script_mnist_0_a=0.5_b=1",
        ),
        ({}, {"lr": 1}, "script_mnist_0"),
        ({"env": None}, {"lr": {"eval": "1"}}, "script_0_lr=1"),
        (
            {"env": "CartPole-v0", "alg": "PPO"},
            {"m": {"n": [{"grid_search": [[8, 8]]}]}},
            "PPO_CartPole-v0_0_m.n.0=[8, 8]",
        ),
    ],
)
def test_the_name(keys, config, name):
    assert trials(config, **keys)[0].name == name


@pytest.mark.parametrize(
    ("config", "resolved"),
    [
        ({"a": {"grid_search": [{"eval": "_i * 10"}, "x"]}}, [{"a": 0}, {"a": "x"}]),
        (
            {"a": {"eval": "spec.config.b * 2"}, "b": {"grid_search": [1, 2]}},
            [{"a": 2, "b": 1}, {"a": 4, "b": 2}],
        ),
        (
            {"a": {"eval": "spec.config.b.c[1]"}, "b": {"c": [0, {"eval": "_i + 5"}]}},
            [{"a": 5, "b": {"c": [0, 5]}}],
        ),
        (
            {"a": {"eval": "spec.config.b + 1"}, "b": {"eval": "spec.config.c + 1"}, "c": 1},
            [{"a": 3, "b": 2, "c": 1}],
        ),
        (
            {"a": {"eval": "spec.config.b"}, "b": [{"grid_search": [{"x": {"eval": "3"}}]}]},
            [{"a": [{"x": 3}], "b": [{"x": 3}]}],
        ),
        ({"a": {"grid_search": [{"eval": "spec.config.b"}]}, "b": 2}, [{"a": 2, "b": 2}]),
        (
            {"a": [[{"grid_search": [1, 2]}], {"grid_search": [3]}]},
            [{"a": [[1], 3]}, {"a": [[2], 3]}],
        ),
    ],
)
def test_references_and_nesting(config, resolved):
    assert configs(config) == resolved


def test_a_reference_and_the_setting_itself_are_one_draw():
    references = [
        "spec.config.l[-1]",
        "spec.config.l[2]",
        "spec.config.l[1:][1]",
        "spec.config['l'][2]",
    ]
    config = {
        "l": [0, 1, {"eval": "random.random()"}],
        **{f"r{i}": {"eval": text} for i, text in enumerate(references)},
    }
    (resolved,) = configs(config)
    assert {resolved[f"r{i}"] for i in range(4)} == {resolved["l"][2]}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"a": {"eval": "spec.config.a"}},
            "config.a.eval: it refers to itself: config.a → config.a (trial 0)",
        ),
        (
            {
                "a": {"eval": "spec.config.b.x"},
                "b": {"x": {"eval": "spec.config.c"}},
                "c": {"eval": "spec.config.a"},
            },
            (
                "config.c.eval: it refers to itself: config.a → config.b.x → config.c → config.a"
                " (trial 0)"
            ),
        ),
        (
            {"a": {"x": {"eval": "spec.config.a"}}},
            "config.a.x.eval: it refers to itself: config.a.x → config.a.x (trial 0)",
        ),
        (
            {"a": {"eval": "1 / 0"}},
            "config.a.eval: '1 / 0' failed: ZeroDivisionError: division by zero (trial 0)",
        ),
        (
            {"a": {"eval": "spec.config.b"}, "b": {"eval": "1 / 0"}},
            "config.b.eval: '1 / 0' failed: ZeroDivisionError: division by zero (trial 0)",
        ),
        ({"a": {"eval": "spec.config.zz"}}, "config.a.eval: spec.config has no 'zz' (trial 0)"),
        (
            {"a": {"eval": "spec.config.b[5]"}, "b": [1]},
            "config.a.eval: spec.config has no '5' (trial 0)",
        ),
    ],
)
def test_an_eval_that_fails(config, message):
    with pytest.raises(ExpressionError) as caught:
        trials(config)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"grid_search": [1]},
            "config: grid_search stands for a value of config, not for config itself",
        ),
        (
            {"a": {"grid_search": []}},
            "config.a.grid_search: expected a list of at least one value, got []",
        ),
        (
            {"a": {"grid_search": 5}},
            "config.a.grid_search: expected a list of at least one value, got 5",
        ),
        (
            {"a": [{"grid_search": [1], "x": 2}]},
            "config.a.0: grid_search stands alone; 'x' beside it is not expected",
        ),
        (
            {"a": {"grid_search": [{"b": {"grid_search": [1]}}]}},
            "config.a.b: a grid_search within the values of another is not supported; use two keys",
        ),
        ({"a": {"eval": 5}}, "config.a.eval: expected an expression as text, got 5"),
        (
            {"a": {"eval": "os.system('ls')"}},
            "config.a.eval: os.system is not a function of the eval language",
        ),
        (
            {"a": {"b": {"eval": "1"}}, "a.b": {"eval": "2"}},
            "config.a.b: two searched keys have this name",
        ),
    ],
)
def test_a_malformed_search_space(config, message):
    place = Location("f.yaml", 3, 4)
    with pytest.raises(SpecError) as caught:
        SearchSpace(config, lambda _: place)
    assert str(caught.value) == f"f.yaml:3:4: {message}"


def test_all_that_is_malformed_is_said_at_once():
    config = {
        "lr": {"uniform": [1, 0]},
        "net": {"choice": [{"width": {"logint": [0, 8]}}, {"eval": "open('x')"}]},
        "batch": {"choice": [8, 16]},
        "steps": {"randint": [1, 8]},
    }
    with pytest.raises(SpecError) as caught:
        trials(config)
    messages = [problem.message for problem in caught.value.each()]
    paths = [message.removeprefix("exp.").partition(":")[0] for message in messages]
    assert paths == [
        "config.lr.uniform",
        "config.net.width.logint",
        "config.net.eval",
        "config.steps",
    ]


def test_every_trial_carries_its_experiments_settings():
    keys = {
        "resources": {"gpu": 0.5},
        "stop": {"mean_loss": 1},
        "max_failures": 2,
        "stop_grace_s": 3,
        "isolate": True,
    }
    (trial,) = trials({}, **keys)
    assert (trial.resources.gpu, str(trial.stop[0])) == (0.5, "mean_loss <= 1")
    assert (trial.max_failures, trial.stop_grace_s, trial.isolate) == (2, 3, True)
