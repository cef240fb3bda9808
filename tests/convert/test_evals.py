"""Files of 2017: domains in place of expressions, and nothing else changed."""

import pytest

from tests.convert.reading import comments, config, convert
from tune_tasks.errors import SpecError
from tune_tasks.spec.reading import parse_source

HEAD = """\
# Converted: an `eval` that only draws is a domain now, which draws the same. With the same seed its
#   values are others than before. `search: tpe` would have a model choose them.
"""
NOTHING = "# Converted: it has no `eval` that a domain could take the place of.\n"

# Ray Tune 0.2's documentation, with what its own example lacked
OF_2017 = """\
tune_mnist:          # mine
    env: mnist
    repeat: 10
    stop: {mean_accuracy: 0.99, time_total_s: 600}
    config:
        script_file_path: examples/tune_mnist_ray.py
        activation:
            grid_search: ['relu', 'elu', 'tanh']
        lr:
            eval: 10 ** random.uniform(-4, -1)      # a good range
        momentum: {eval: "random.uniform(0, 1)"}
        decay: {eval: "1 - 10 ** random.uniform(-4, -1)"}
        steps: {eval: "100 * spec.config.lr"}
"""


def test_the_whole_text():
    assert convert(OF_2017) == (
        f"""\
{HEAD}tune_mnist:          # mine
    env: mnist
    repeat: 10
    stop: {{mean_accuracy: 0.99, time_total_s: 600}}
    config:
        script_file_path: examples/tune_mnist_ray.py
        activation:
            grid_search: ['relu', 'elu', 'tanh']
        lr:
            # it was 10 ** random.uniform(-4, -1)
            loguniform: [0.0001, 0.1]      # a good range
        # it was random.uniform(0, 1)
        momentum: {{uniform: [0, 1]}}
        # 1 - 10 ** random.uniform(-4, -1): no domain says the same, so no model can search it
        decay: {{eval: "1 - 10 ** random.uniform(-4, -1)"}}
        steps: {{eval: "100 * spec.config.lr"}}
"""
    )


def test_it_is_a_spec_of_ours():
    made = config(OF_2017.replace("repeat: 10", "num_trials: 10"))
    assert made["lr"] == {"loguniform": [0.0001, 0.1]}
    assert made["steps"] == {"eval": "100 * spec.config.lr"}


def test_what_is_converted_once_stays_as_it_is():
    again = convert(convert(OF_2017))
    assert again.startswith(NOTHING)
    assert again.count("no domain says the same") == 2
    assert convert("e:\n  config: {a: 1}\n") == f"{NOTHING}e:\n  config: {{a: 1}}\n"


def whole(text):
    return parse_source(convert(text), "made").data


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (
            "{grid_search: [1, {eval: 'random.choice([2, 3])'}]}",
            {"grid_search": [1, {"choice": [2, 3]}]},
        ),
        ("[{eval: 'random.randint(1, 4)'}, 3]", [{"int": [1, 4]}, 3]),
        (
            "{choice: [{lr: {eval: random.random()}}, {b: 1}]}",
            {"choice": [{"lr": {"uniform": [0, 1]}}, {"b": 1}]},
        ),
        ("{uniform: [0, {eval: random.random()}]}", {"uniform": [0, {"eval": "random.random()"}]}),
        ("{'eval' : 'random.random()' , }", {"uniform": [0, 1]}),
        ("{eval: >-\n    10 **\n    random.uniform(-4, -1)\n   }", None),
        (
            "\n    eval: >-\n      10 **\n      random.uniform(-4, -1)",
            {"loguniform": [0.0001, 0.1]},
        ),
        ("\n    eval: |\n      random.random()\n\n", {"uniform": [0, 1]}),
        ("\n    eval:\n      random.choice(\n      ['a', 'b'])", {"choice": ["a", "b"]}),
    ],
)
def test_every_way_to_write_one(written, value):
    text = f"e:\n  config:\n   a: {written}\n   b: 1\n"
    if value is None:  # a block within a flow is no YAML
        with pytest.raises(SpecError, match="not valid YAML"):
            convert(text)
        return
    assert whole(text)["e"]["config"] == {"a": value, "b": 1}


def test_anchors_merges_and_templates():
    text = """\
_lr: &lr {eval: "10 ** random.uniform(-4, -1)"}     # äöü 🎉
_eval: {config: {a: {eval: "no expression"}}}
x-base: &base
  env: mnist
  config: &config
    drop: {eval: 'random.uniform(0, 0.5)'}   # keep this
e:
  <<: *base
  config:
    <<: *config
    lr: *lr
    lr2: *lr
"""
    made = convert(text)
    data = parse_source(made, "made").data
    assert data["e"]["config"] == {
        "drop": {"uniform": [0, 0.5]},
        "lr": {"loguniform": [0.0001, 0.1]},
        "lr2": {"loguniform": [0.0001, 0.1]},
    }
    assert "{uniform: [0, 0.5]}   # keep this" in made
    assert "lr: *lr" in made
    assert made.count("# it was 10 ** random.uniform(-4, -1)\n_lr: &lr {log") == 1


def test_several_merges():
    text = """\
_a: &a {config: {lr: {eval: random.random()}}}
_b: &b {env: x}
e:
  <<: [*b, *a]
"""
    assert whole(text)["e"]["config"] == {"lr": {"uniform": [0, 1]}}
    assert "# it was random.random()\n_a: &a {config: {lr: {uniform: [0, 1]}}}\n" in convert(text)


def test_comments_do_not_come_into_a_text_of_many_lines():
    text = """\
e:
  config:
    many: {a: "x
      y", b: {eval: "random.random()"}}
"""
    made = convert(text)
    assert made == (
        f"{HEAD}# it was random.random()\n"
        + text.replace('eval: "random.random()"', "uniform: [0, 1]")
    )


def test_an_anchor_on_an_expression_costs_the_comments_of_the_file():
    text = "e:  # mine\n  config:\n    a: {eval: &x random.random()}\n    b: {eval: *x}\n"
    assert whole(text)["e"]["config"] == {"a": {"uniform": [0, 1]}, "b": {"uniform": [0, 1]}}
    assert comments(text)[1:] == ["it was random.random()"] * 2


def test_json():
    text = (
        '{"e": {"config": {\n\t"u": "\\ud83d\\ude00", "lr": {"eval": "random.uniform(0, 1)"}}}}\n'
    )
    made = convert(text, "f.json")
    assert parse_source(made, "made").data == {
        "e": {"config": {"u": "😀", "lr": {"uniform": [0, 1]}}}
    }
    assert "# it was random.uniform(0, 1)" in made


def test_what_yaml_1_1_read_otherwise_is_said():
    text = "e:\n  config:\n    a: yes\n    b: {eval: random.random()}\n"
    assert "line 3: 'yes' is a text in YAML 1.2: write true, or put it in quotes" in comments(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "e: {config: {a: {eval: 'random.unifrom(0, 1)'}}}",
            (
                "1:24: e.config.a.eval: random.unifrom is not a function of the eval language; did"
                " you mean 'random.uniform'?"
            ),
        ),
        (
            "e: {config: {a: {eval: 5}}}",
            "1:24: e.config.a.eval: expected an expression as text, got 5",
        ),
        (
            "e:\n  config: {a: {eval: '1', b: 2}}",
            "2:15: e.config.a: eval stands alone; 'b' beside it is not expected",
        ),
        ("e: {config: {a: 1}, seed: x}", "1:27: e.seed: expected a valid integer, got 'x'"),
    ],
)
def test_a_mistake_is_named_with_its_place(text, message):
    with pytest.raises(SpecError) as caught:
        convert(text)
    assert str(caught.value) == f"sweep.yaml:{message}"
