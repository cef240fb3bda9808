"""Regular expressions of a spec."""

import pytest

from tune_tasks.spec.patterns import check_pattern, found


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("CUDA out of memory|MemoryError", "torch.OutOfMemoryError: CUDA out of memory. Tried", True),
        ("^MemoryError", "a MemoryError", False),
        ("(?i)cuda", "CUDA", True),
        (r"\bImportError\b", "ImportError: no module", True),
        ("a.b", "a\nb", False),
        ("ä", "ä", True),
    ],
)  # fmt: skip
def test_it_is_found_anywhere(pattern, text, is_found):
    assert found(pattern, text) is is_found


def test_no_pattern_hangs():
    assert not found("(a+)+$", f"{'a' * 10_000}!")
    assert not found("(x|xx)*(a|a|a?)*y", "x" * 10_000)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("ab(", "unclosed group, at its character 3"),
        (r"(a)\1", "backreferences are not supported, at its character 4"),
        ("a\nb(", "unclosed group"),
        ("(a{1000}){1000}", "Compiled regex exceeds size limit of 10485760 bytes."),
    ],
)
def test_what_is_wrong_with_a_pattern(pattern, problem):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message follows
        check_pattern(pattern)
    assert str(caught.value).startswith(problem)
