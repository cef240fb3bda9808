"""Why an attempt has failed: as rules match it, and as reports group it."""

import dataclasses

import pytest

from tune_tasks.model.failure import Failure, FailureCause


def failure_of(raises):
    try:
        raises()
    except BaseException as exc:
        return Failure.of(exc)


class CustomError(ConnectionError):
    """Has a module and a base."""


def of(message):
    return Failure(FailureCause.EXCEPTION, message, ("ValueError",))


def raise_custom():
    raise CustomError("no answer\nfrom 10.0.0.1")


def test_an_exception_is_matched_by_its_class_and_by_each_base():
    failure = failure_of(raise_custom)
    names = [text.partition(": ")[0] for text in failure.texts()]
    assert names == [
        f"{__name__}.CustomError",
        "ConnectionError",
        "OSError",
        "Exception",
        "BaseException",
    ]
    assert str(failure) == f"{__name__}.CustomError: no answer\nfrom 10.0.0.1"


def test_a_module_that_is_missing_is_an_import_error():
    assert (
        "ImportError: No module named 'foo_bar'"
        in failure_of(lambda: __import__("foo_bar")).texts()
    )


def test_odd_exceptions():
    class Speechless(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def speechless():
        raise Speechless

    def exits():
        raise SystemExit(3)

    def raises_a_class():
        raise KeyError

    assert str(failure_of(speechless)).endswith("Speechless: <exception str() failed>")
    assert str(failure_of(exits)) == "SystemExit: 3"
    assert str(failure_of(raises_a_class)) == "KeyError"
    assert len(of("x" * 10**6).message) == 10_000
    assert of("half \ud800").message == "half \\ud800"


def test_the_end_of_a_process_is_matched_by_its_cause():
    died = Failure(FailureCause.PROCESS_DIED, "Fatal Python error: Segmentation fault")
    assert list(died.texts()) == ["process_died: Fatal Python error: Segmentation fault"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no file /a/b-1/c.csv", "no file /tmp/x"),
        ("bad lr 1e-05", "bad lr 0.25"),
        ("<Model at 0x7f3a>", "<Model at 0x9b>"),
        (
            "trial 6b3f00c2-95f1-4b9e-8d0e-0a5f6d3e9b11",
            "trial 00000000-95f1-4b9e-8d0e-0a5f6d3e9baa",
        ),
        ("shape (3, 4)", "shape (128, 9)"),
    ],
)
def test_what_differs_by_numbers_paths_and_addresses_is_alike(one, other):
    assert of(one).alike == of(other).alike


def test_what_is_not_alike():
    of_type = Failure(FailureCause.EXCEPTION, "a", ("KeyError",))
    assert len({of("a").alike, of("b").alike, of_type.alike}) == 3


def test_two_ends_for_lack_of_memory_are_alike_whatever_ray_says():
    ends = [Failure(FailureCause.OUT_OF_MEMORY, text) for text in ("node ab", "node cd")]
    assert ends[0].alike == ends[1].alike


def test_a_long_text_is_looked_at_in_no_time():
    assert of("1" * 10**6).alike
    assert of("/" * 10**6).alike
    assert of("a" * 10**6).alike


def test_it_reads_back():
    failure = failure_of(raise_custom)
    assert Failure.from_data(dataclasses.asdict(failure)) == failure


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"cause": "nonsense", "message": "", "types": []},
        {"cause": "exception", "message": 5, "types": []},
        {"cause": "exception", "message": "", "types": [5]},
        {"cause": "exception", "message": "", "types": 5},
    ],
)
def test_what_is_no_failure_is_refused(data):
    with pytest.raises((ValueError, TypeError, KeyError)):
        Failure.from_data(data)
