"""Users' text as it may be shown and sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.text import ONE_LINE, cut_lines, escaped, left_out, one_line, showable

ANY = st.text(st.characters())  # halves of surrogate pairs included


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中 🙂\n\tsecond", "plain é 中 🙂\n\tsecond"),
        ("nul \0, bell \7, escape \x1b]0;title\7", r"nul \x00, bell \x07, escape \x1b]0;title\x07"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("half \ud800", r"half \ud800"),
        ("right to left \u202e, another line \u2028", r"right to left \u202e, another line \u2028"),
        ("of Windows\r\nof a progress bar\r", "of Windows\nof a progress bar\\r"),
    ],
)
def test_what_cannot_be_shown_is_escaped(text, shown):
    assert showable(text) == shown


@given(ANY)
def test_any_text_can_be_shown(text):
    for shown in (showable(text), escaped(text), one_line(text)):
        shown.encode()
        assert all(c.isprintable() or c.isspace() or ord(c) > 0x9F for c in shown)
    assert showable(showable(text)) == showable(text)
    assert len(escaped(text).splitlines()) <= 1


@given(ANY, st.integers(2, 30))
def test_one_line_is_no_longer_than_its_place(text, length):
    assert len(one_line(text, length)) <= length


def test_the_lines_of_a_message_are_cut_each():
    assert cut_lines("a\0\n" + "b" * 5_000) == "a\\x00\n" + "b" * 999 + "…"


def test_a_long_text_is_cut():
    assert one_line("a" * ONE_LINE) == "a" * ONE_LINE
    assert one_line("a" * 10**6) == "a" * (ONE_LINE - 1) + "…"
    assert one_line("a\nb\tc") == r"a\nb\tc"
    huge = showable("a" * 10**6 + "the end")
    assert len(huge) < 201_000
    assert "\n… 800,007 characters left out …\n" in huge
    assert huge.endswith("the end")


@pytest.mark.parametrize(
    ("count", "sentences"), [(0, []), (2, []), (3, ["… 1 more"]), (20, ["… 18 more"])]
)
def test_what_a_cut_list_leaves_out_is_counted(count, sentences):
    assert list(left_out(count, 2)) == sentences


def test_what_is_left_out_is_counted_in_its_own_words():
    assert list(left_out(30, 20, "   … {} more failed")) == ["   … 10 more failed"]
