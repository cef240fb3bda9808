"""Drafts as YAML with comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.convert.draft import Draft
from tune_tasks.convert.writing import comments, written
from tune_tasks.model.paths import nodes
from tune_tasks.spec.reading import parse_source

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.long
@given(st.dictionaries(TEXTS.filter(lambda key: key != "<<"), TREES, max_size=4), TEXTS)
def test_it_reads_back_as_the_same_with_a_comment_everywhere(keys, note):
    draft = Draft("name", keys, [note])
    for path, _ in nodes(keys):
        draft.note(path, note, "a note")
    text = written(draft)
    assert parse_source(text, "made").data == {"name": keys}


def test_a_comment_is_wrapped_and_cannot_end_early():
    assert list(comments(["a\nb: 1\x85c \x1b[1md"])) == ["# a b: 1 c d"]
    lines = list(comments(["word " * 40]))
    assert len(lines) == 3
    assert all(line.startswith("#") and len(line) <= 100 for line in lines)
    assert list(comments([""])) == []


def test_what_is_short_stands_in_one_line():
    draft = Draft("e", {"resources": {"gpu": 1}, "config": {"a": {"choice": ["x" * 40, "y" * 40]}}})
    draft.note(("config", "a"), "why")
    draft.note(("config", "a", "choice", 1), "this one")
    assert written(draft) == (
        """\
e:
    resources: {gpu: 1}
    config:
        # why
        a:
            choice:
                - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
                # this one
                - yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
"""
    )
