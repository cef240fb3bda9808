"""The tree of errors, and what errors carry."""

import pickle
import re

import pytest

from tune_tasks import errors

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
TREE = errors.__doc__.splitlines()


def place_in_tree(name):
    """The column of an error's name in the drawing, where it stands once."""
    (line,) = [line for line in TREE if re.match(rf"[ │├└─]*{name}\b", line)]
    return line.index(name)


def test_the_tree_of_errors_is_drawn_as_it_is():
    for name, error in CLASSES.items():
        (above,) = error.__bases__
        assert place_in_tree(name) == place_in_tree(above.__name__) + len("└── "), name


def test_an_error_is_an_exception_but_for_the_end_of_a_trial():
    ends = {name for name, error in CLASSES.items() if not issubclass(error, Exception)}
    assert ends == {"TrialStopped"}


def test_the_errors_that_users_can_mend_have_an_exit_code_of_their_own():
    assert {name for name, error in CLASSES.items() if getattr(error, "exit_code", None) == 2} == {
        "BadInputError",
        "SpecError",
        "ExpressionError",
        "UsageError",
        "ConfigError",
        "ResourcesError",
        "TrainableError",
    }


@pytest.mark.parametrize("kind", [errors.SpecError, errors.ExpressionError])
def test_an_error_travels_with_its_place(kind):
    error = pickle.loads(pickle.dumps(kind("stop: bad", errors.Location("f.yaml", 3, 4))))
    assert (type(error), str(error), error.exit_code) == (kind, "f.yaml:3:4: stop: bad", 2)
    assert str(error.within("e")) == "f.yaml:3:4: e.stop: bad"


def test_a_config_error_travels_with_its_key():
    error = pickle.loads(pickle.dumps(errors.ConfigError("bad", ("model", "dim"))))
    assert (str(error), error.key, error.exit_code) == (
        "config.model.dim: bad",
        ("model", "dim"),
        2,
    )


def test_did_you_mean():
    assert (
        errors.did_you_mean("mean_acuracy", ["mean_loss", "mean_accuracy"])
        == "; did you mean 'mean_accuracy'?"
    )
    assert errors.did_you_mean("zzz", ["mean_loss"]) == ""
    assert errors.did_you_mean("TPE", ["qmc", "tpe"]) == "; did you mean 'tpe'?"
